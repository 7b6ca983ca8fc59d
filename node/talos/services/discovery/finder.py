"""Where a peer is now: each source is asked in its order, until one has a record that is true.

Whatever a source says is a signed record, checked against the identity's key log, which is fetched where it is not
known. So a source can withhold, or be behind; it cannot send anybody to the wrong node.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from talos.core.names import did_of
from talos.errors import NotReachable
from talos.host import Address
from talos.services.desk import Desk
from talos.services.discovery.fetching import Fetcher
from talos.services.discovery.key_logs import KeyLogs
from talos_dht import BadStatement, Contact, KeyLogUnknown, Record, check, rank

FOUND_MAX: Final = 4_096  # Records kept until they expire: 4 MB.


@dataclass(frozen=True, slots=True)
class Finding:
    """What a source knows of one identity."""

    record: Record | None = None  # Checked.
    unchecked: tuple[tuple[Record, Contact], ...] = ()  # And who may show the key log by which to check it.
    why: str = ""  # Why there is no more.


class Source(Protocol):
    async def find(self, did: bytes) -> Finding:
        """Return what it knows. Takes as long as it takes; raises nothing."""


class Finder:
    """`sources` by name, in the order in which they are asked."""

    def __init__(self, desk: Desk, logs: KeyLogs, fetcher: Fetcher, sources: Mapping[str, Source]) -> None:
        self._desk = desk
        self._logs = logs
        self._fetcher = fetcher
        self._sources = sources
        self._found: OrderedDict[bytes, Record] = OrderedDict()

    def cached(self, did: bytes) -> Record | None:
        """Return what was found before, while it holds."""
        record = self._found.get(did)
        return record if record is not None and self._holds(record) else None

    async def find(self, did: bytes) -> Record:
        """Return the newest record that the first source to have one has. Raises `NotReachable`, with every reason."""
        reasons = []
        for name, source in self._sources.items():
            finding = await source.find(did)
            record = finding.record or await self._checked(did, finding.unchecked)
            if record is not None:
                return self._keep(record)
            reasons.append(f"{name}: {finding.why or 'what it has does not hold'}")
        if not reasons:
            raise NotReachable(f"nobody is there to ask where {did_of(did)} is", fix="Set `discovery`")
        raise NotReachable(f"nobody knows where {did_of(did)} is ({'; '.join(reasons)})", fix="Is its node running?")

    async def _checked(self, did: bytes, unchecked: tuple[tuple[Record, Contact], ...]) -> Record | None:
        """Return the newest of these that turns out to be true, asking their holders for the key log."""
        for _, holder in unchecked:
            if await self._fetcher.fetch(did, holder):
                true = [record for record, _ in unchecked if self._holds(record)]
                if true:
                    return max(true, key=rank)
        return None

    def _holds(self, record: Record) -> bool:
        try:
            check(record, self._logs.key_of, self._desk.now_ms())
        except (BadStatement, KeyLogUnknown):
            return False
        return True

    def _keep(self, record: Record) -> Record:
        """Keep the newer of this and what was found before: a source may be behind."""
        known = self.cached(record.did)
        newest = record if known is None else max(known, record, key=rank)
        self._found[record.did] = newest
        self._found.move_to_end(record.did)
        if len(self._found) > FOUND_MAX:
            self._found.popitem(last=False)
        return newest


def addresses_of(record: Record) -> list[Address]:
    """Return where the record says one can dial directly, the first instance first."""
    return [Address(at.host, at.port) for one in record.instances for at in one.addresses if not at.relay]
