"""Where a peer is now, and who offers a topic: each source is asked in its order, until one has something true.

Whatever a source says is signed, and checked against the key log of who is said to have signed it, which is fetched
where it is not known. So a source can withhold, or be behind; it cannot send anybody to the wrong node.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import trio

from talos.core.keylog import KeyLog
from talos.core.names import did_of, is_place
from talos.errors import NotReachable
from talos.host import Address
from talos.services.desk import Desk
from talos.services.discovery.checking import Checker
from talos.services.discovery.fetching import Fetcher
from talos.services.discovery.key_logs import KeyLogs
from talos.services.discovery.sources import Source
from talos.services.relaying.through import Relayed, Way
from talos_dht import Held, Provider, Record, rank

FOUND_MAX: Final = 4_096  # Records kept until they expire: 4 MB.


@dataclass(frozen=True, slots=True)
class Found:
    record: Record  # It was true when it was found.
    source: str  # Which source had it, by name.

    @property
    def ways(self) -> list[Way]:
        return ways_of(self.record)


class Finder:
    """`sources` by name, in the order in which they are asked."""

    def __init__(self, desk: Desk, logs: KeyLogs, fetcher: Fetcher, sources: Mapping[str, Source]) -> None:
        self._desk = desk
        self._logs = logs
        self._checker = Checker(desk, logs, fetcher)
        self.sources = sources
        self._found: OrderedDict[bytes, Found] = OrderedDict()

    def cached(self, did: bytes) -> Record | None:
        """Return what was found before, while it holds."""
        found = self._found.get(did)
        return found.record if found is not None and self._checker.holds(found.record) else None

    def found(self, did: bytes) -> Found | None:
        """Return what was found before, until it expires. Unlike `cached` it checks no signature again."""
        found = self._found.get(did)
        return found if found is not None and self._desk.now_ms() < found.record.expires_ms else None

    def key_log(self, did: bytes) -> KeyLog | None:
        """Return the key log of an identity, if it is known: it was fetched with what was found, or is a peer's."""
        return self._logs.known(did)

    async def find(self, did: bytes) -> Record:
        """Return the record of the first source that has one newer than what was found before; else that.

        Raises `NotReachable` where nobody has any, with every reason.
        """
        known, reasons = self.cached(did), []
        for name, source in self.sources.items():
            finding = await source.find(did)
            # One that is true by the key log that we know is no answer while another names a newer one.
            checked = [record for record in (known, finding.record) if record is not None]
            true = await self._checker.true(finding.unchecked, checked)
            known = known if known in true else None
            newest = max(true, key=rank, default=None)
            if newest is not None and newest != known:
                return self._keep(Found(newest, name))
            reasons.append(f"{name}: {finding.why}")
        if known is not None:
            return known
        if not reasons:
            raise NotReachable(f"nobody is there to ask where {did_of(did)} is", fix="Set `discovery` or `lan`")
        raise NotReachable(f"nobody knows where {did_of(did)} is ({'; '.join(reasons)})", fix="Is its node running?")

    async def browse(self, topic: str) -> list[Provider]:
        """Return who offers a topic, by the first source that knows of anybody; empty if none does."""
        for source in self.sources.values():
            offers = await source.browse(topic)
            true = await self._checker.true(offers.unchecked, offers.providers)
            if true:
                return list({provider.did: provider for provider in sorted(true, key=rank)}.values())
        return []

    async def tell(self, held: Held) -> int:
        """Give away what we have signed, at all sources at once; return how many hold it now."""
        holders = 0

        async def tell(source: Source) -> None:
            nonlocal holders
            told = await source.tell(held)
            holders += told

        async with trio.open_nursery() as nursery:
            for source in self.sources.values():
                nursery.start_soon(tell, source)
        return holders

    def _keep(self, found: Found) -> Record:
        did = found.record.did
        self._found[did] = found
        self._found.move_to_end(did)
        if len(self._found) > FOUND_MAX:
            self._found.popitem(last=False)
        return found.record


def ways_of(record: Record) -> list[Way]:
    """Return how one can get there, the first instance first, and what needs no relay before what does.

    A host is a stranger's text: only what one could have typed is an address.
    """
    places = [at for one in record.instances for at in one.addresses if is_place(str(Address(at.host, at.port)))]
    ways = [
        Relayed(Address(at.host, at.port), at.relay, record.did) if at.relay else Address(at.host, at.port)
        for at in places
    ]
    return sorted(ways, key=lambda way: isinstance(way, Relayed))
