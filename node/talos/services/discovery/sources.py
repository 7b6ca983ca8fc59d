"""Who may know where a peer is: the registries of this node, and the DHT. Both hold the same signed statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from talos.core.names import PeerAddress
from talos.services.desk import Desk
from talos.services.discovery.dht import DhtRunner
from talos.services.discovery.fetching import Holder
from talos.services.discovery.ports import Ports
from talos.services.discovery.showing import show_key_log
from talos.services.discovery.ways_in import WaysIn
from talos_dht import Browse, Contact, Effect, Held, Job, Now, Provider, Read, Record


@dataclass(frozen=True, slots=True)
class Finding:
    """What a source knows of one identity."""

    record: Record | None = None  # Checked.
    unchecked: tuple[tuple[Record, tuple[Holder, ...]], ...] = ()  # And who may show the key log to check it by.
    why: str = ""  # Why there is no more.


@dataclass(frozen=True, slots=True)
class Offers:
    """What a source knows of one topic."""

    providers: tuple[Provider, ...] = ()  # Checked.
    unchecked: tuple[tuple[Provider, tuple[Holder, ...]], ...] = ()


J = TypeVar("J", bound=Job, covariant=True)


class Begin(Protocol[J]):
    """`Dht.read` and the like, told already of what to look for."""

    def __call__(self, now: Now, at: Sequence[Contact]) -> tuple[J, list[Effect]]: ...


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

    def __init__(
        self, desk: Desk, runner: DhtRunner, ports: Ports, ways_in: WaysIn, registries: Sequence[PeerAddress]
    ) -> None:
        self._desk = desk
        self._runner = runner
        self._ports = ports
        self._ways_in = ways_in
        self._registries = registries

    async def find(self, did: bytes) -> Finding:
        job = await self._asked(partial(self._runner.dht.read, did))
        return Finding(why=self._why()) if job is None else _finding(job)

    async def browse(self, topic: str) -> Offers:
        job = await self._asked(partial(self._runner.dht.browse, topic))
        return Offers() if job is None else _offers(job)

    async def tell(self, held: Held) -> int:
        job = await self._asked(partial(self._runner.dht.publish, held))
        return 0 if job is None else sum(job.stored) + await show_key_log(self._desk, job.wanting)

    async def _asked(self, begin: Begin[J]) -> J | None:
        """Return a job that was asked of the registries alone; None if none answered, neither UDP nor over a stream."""
        at = await self._ways_in.contacts(self._registries)
        for _ in range(2):
            if not at:
                return None
            job = await self._runner.finished(partial(begin, at=at))
            answered = [contact for walk in job.walks for contact in walk.lookup.closest]
            if answered or not self._ports.is_silent(at):
                break
        self._ways_in.failed([contact for contact in at if contact not in answered])
        return job if answered else None

    def _why(self) -> str:
        failures = self._ways_in.failures
        return "; ".join(failures[one] for one in self._registries if one in failures) or "none is set"


def _finding(job: Read) -> Finding:
    asked = sum(report.queries for report in job.reports)
    return Finding(job.record, tuple(job.unchecked), f"{asked} {'node was' if asked == 1 else 'nodes were'} asked")


def _offers(job: Browse) -> Offers:
    return Offers(tuple(job.providers.values()), tuple(job.unchecked))
