"""Who may know where a peer is: the registries of this node, and the DHT. Both hold the same signed statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from talos.core.names import PeerAddress
from talos.services.desk import Desk
from talos.services.discovery.dht import DhtRunner
from talos.services.discovery.showing import show_key_log
from talos.services.discovery.ways_in import WaysIn
from talos_dht import Browse, Contact, Held, Provider, Publish, Read, Record


@dataclass(frozen=True, slots=True)
class Finding:
    """What a source knows of one identity."""

    record: Record | None = None  # Checked.
    unchecked: tuple[tuple[Record, Contact], ...] = ()  # And who may show the key log by which to check it.
    why: str = ""  # Why there is no more.


@dataclass(frozen=True, slots=True)
class Offers:
    """What a source knows of one topic."""

    providers: tuple[Provider, ...] = ()  # Checked.
    unchecked: tuple[tuple[Provider, Contact], ...] = ()


class Source(Protocol):
    """Each call takes as long as it takes, and raises nothing."""

    async def find(self, did: bytes) -> Finding: ...

    async def browse(self, topic: str) -> Offers: ...

    async def tell(self, held: Held) -> int:
        """Give away what we have signed; return how many hold it now."""
        ...


class DhtSource:
    """Whoever is nearest to the place of a statement."""

    def __init__(self, desk: Desk, runner: DhtRunner) -> None:
        self._desk = desk
        self._runner = runner

    async def find(self, did: bytes) -> Finding:
        return _finding(await self._runner.finished(partial(self._runner.dht.read, did)))

    async def browse(self, topic: str) -> Offers:
        return _offers(await self._runner.finished(partial(self._runner.dht.browse, topic)))

    async def tell(self, held: Held) -> int:
        job = await self._runner.finished(partial(self._runner.dht.publish, held))
        return sum(job.stored) + await show_key_log(self._desk, job.wanting)


class RegistrySource:
    """Nodes that hold whatever they are given. One that is down is as if it knew nothing."""

    def __init__(self, desk: Desk, runner: DhtRunner, ways_in: WaysIn, registries: Sequence[PeerAddress]) -> None:
        self._desk = desk
        self._runner = runner
        self._ways_in = ways_in
        self._registries = registries

    async def find(self, did: bytes) -> Finding:
        at = await self._ways_in.contacts(self._registries)
        if not at:
            return Finding(why=self._why())
        job: Read = await self._runner.finished(partial(self._runner.dht.read, did, at=at))
        finding = _finding(job)
        return finding if self._answered(at, job) else Finding(finding.record, finding.unchecked, self._why())

    async def browse(self, topic: str) -> Offers:
        at = await self._ways_in.contacts(self._registries)
        if not at:
            return Offers()
        job: Browse = await self._runner.finished(partial(self._runner.dht.browse, topic, at=at))
        self._answered(at, job)
        return _offers(job)

    async def tell(self, held: Held) -> int:
        at = await self._ways_in.contacts(self._registries)
        if not at:
            return 0
        job: Publish = await self._runner.finished(partial(self._runner.dht.publish, held, at=at))
        self._answered(at, job)
        return sum(job.stored) + await show_key_log(self._desk, job.wanting)

    def _answered(self, asked: list[Contact], job: Read | Browse | Publish) -> bool:
        """Say whether anybody did; who did not is looked for anew next time."""
        answered = [contact for walk in job.walks for contact in walk.lookup.closest]
        self._ways_in.failed([contact for contact in asked if contact not in answered])
        return bool(answered)

    def _why(self) -> str:
        failures = self._ways_in.failures
        return "; ".join(failures[one] for one in self._registries if one in failures) or "none is set"


def _finding(job: Read) -> Finding:
    asked = sum(report.queries for report in job.reports)
    return Finding(job.record, tuple(job.unchecked), f"{asked} {'node was' if asked == 1 else 'nodes were'} asked")


def _offers(job: Browse) -> Offers:
    return Offers(tuple(job.providers.values()), tuple(job.unchecked))
