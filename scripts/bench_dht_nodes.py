"""A town of our DHT nodes, in one trio process, over UDP: each has the ports and the runner that a whole node has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from time import perf_counter, process_time  # noqa: TID251 - A benchmark measures the real thing.
from typing import Final, cast

import trio
from nacl.signing import SigningKey

from scripts.bench_dht_town import Looked, errands, host_of, mortals, nearest
from scripts.bench_processes import next_question, usage
from talos.core.boxes import KEY_SIZE, Boxes
from talos.core.budgets import Budgets
from talos.drivers.memory_store import MemoryStore
from talos.drivers.real_host import real_host
from talos.host import Address, Host
from talos.services.desk import Desk
from talos.services.discovery.dht import DhtRunner
from talos.services.discovery.ports import Ports
from talos.services.signal import Signal
from talos_dht import SEAL_SIZE, Contact, Dht, Find, Instance, Now, Publish, Read, Record
from talos_dht import Address as Place
from talos_ratchet import make_key_pair

HOUR_MS: Final = 3_600_000
IN_PLACE_OF_A_SEAL: Final = bytes(SEAL_SIZE - KEY_SIZE)


@dataclass(frozen=True, slots=True)
class Stored:
    """What putting and getting took."""

    kib: float  # That a node of the town holds.
    puts_s: list[float]
    gets_s: list[float]
    found: int  # Of as many as were put.


class NoBoxes(Boxes):
    """Datagrams of the same size that seal nothing."""

    __slots__ = ()

    def seal(self, to: bytes, body: bytes) -> bytes:
        return self._pair.public + IN_PLACE_OF_A_SEAL + body

    def open(self, datagram: bytes) -> tuple[bytes, bytes]:
        return datagram[:KEY_SIZE], datagram[SEAL_SIZE:]


@dataclass(frozen=True)
class _Counter:
    """The part of a node's `Desk` that its ports and its runner use, and the very functions of it."""

    host: Host
    budgets: Budgets = field(default_factory=Budgets)

    spend = Desk.spend
    steady_ms = Desk.steady_ms
    now_ms = Desk.now_ms


class _Node:
    """Runs in a task of its own until `scope` is cancelled. `keys` has what verifies records, by DID."""

    def __init__(self, host: Host, number: int, keys: dict[bytes, bytes], *, is_sealed: bool) -> None:
        self._host = host
        self._number = number
        self._keys = keys
        self._is_sealed = is_sealed
        self.scope = trio.CancelScope()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        host = self._host
        port = await host.network.open_datagrams(Address(host_of(self._number), 0))
        pair, desk = make_key_pair(host.entropy), cast("Desk", _Counter(host))
        self.contact = Contact.at(pair.public, port.address.host, port.address.port)
        now = Now(desk.steady_ms(), desk.now_ms())
        dht = Dht(pair.public, key_of=lambda did, *_: self._keys.get(did), entropy=host.entropy, rows={}, now=now)
        self.ports = Ports(
            desk, (Boxes if self._is_sealed else NoBoxes)(pair, host.entropy), [port], lambda name, work: None
        )
        self.runner = DhtRunner(desk, dht, self.ports, Signal())
        with self.scope:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.runner.run)
                    nursery.start_soon(self.ports.read, port)
                    task_status.started()
            finally:
                with trio.CancelScope(shield=True):
                    await port.aclose()

    async def join(self, way_in: Contact) -> None:
        await self.runner.finished(partial(self.runner.dht.join, [way_in]))

    async def lookup(self, target: bytes) -> tuple[float, list[Contact]]:
        began = perf_counter()
        job: Find = await self.runner.finished(partial(self.runner.dht.find, target))
        return perf_counter() - began, job.closest

    async def put(self, record: Record) -> float:
        began = perf_counter()
        job: Publish = await self.runner.finished(partial(self.runner.dht.publish, record))
        if not all(job.stored):
            raise RuntimeError(f"a record is held by {job.stored} nodes at its three places")
        return perf_counter() - began

    async def get(self, did: bytes) -> tuple[float, Record | None]:
        began = perf_counter()
        job: Read = await self.runner.finished(partial(self.runner.dht.read, did))
        return perf_counter() - began, job.record

    def record(self) -> Record:
        """Return a record of an identity of its own, signed."""
        signing, did = SigningKey(self._host.entropy(32)), self._host.entropy(32)
        self._keys[did] = bytes(signing.verify_key)
        record = Record(
            did=did,
            log_seq=0,
            log_digest=did,
            instances=(Instance(bytes(signing.verify_key), 0, (Place(self.contact.host, self.contact.port),)),),
            bundle=bytes(32),
            seq=1,
            expires_ms=self._host.clock.wall_ms() + HOUR_MS,
        )
        return record.signed(lambda message: signing.sign(message).signature)


def talos_town(pipe: Connection, count: int, is_sealed: bool) -> None:
    """Let so many nodes find each other; say so; then answer questions.

    "look", seed, many: so many lookups, one after the other, by any of the living: `Looked`.
    "die", percent: so many nodes end at once; how many are left.
    "all look", seed: each of the living looks something up, all at once: `Looked`.
    "store", many: so many records are put, each by another node, and got by one across the town: `Stored`.
    """
    trio.run(_serve, pipe, count, is_sealed)


async def _serve(pipe: Connection, count: int, is_sealed: bool) -> None:
    host = real_host(MemoryStore(()), MemoryStore(()))
    async with trio.open_nursery() as nursery:
        town, keys, before_mib = _Town(nursery), dict[bytes, bytes](), usage().own_mib
        await town.settle([_Node(host, number, keys, is_sealed=is_sealed) for number in range(count)])
        kib = (usage().own_mib - before_mib) * 1024 / count
        pipe.send(count)
        while (question := await next_question(pipe)) is not None:
            match question:
                case "look", int(seed), int(many):
                    pipe.send(await town.look(seed, many))
                case "die", int(percent):
                    town.die(percent)
                    pipe.send(len(town.living))
                case "all look", int(seed):
                    pipe.send(await town.all_look(seed))
                case "store", int(many):
                    pipe.send(await town.store(many, kib))
        nursery.cancel_scope.cancel()


class _Town:
    def __init__(self, nursery: trio.Nursery) -> None:
        self.living: dict[int, _Node] = {}
        self._nursery = nursery

    async def settle(self, nodes: Iterable[_Node]) -> None:
        for number, node in enumerate(nodes):
            self.living[number] = node
            await self._nursery.start(node.run)
            if number:
                await node.join(self.living[0].contact)

    async def look(self, seed: int, many: int) -> Looked:
        asked = list(islice(errands(seed, list(self.living)), many))
        began, sent = process_time(), self._sent()
        found = [await self.living[asker].lookup(target) for asker, target in asked]
        return self._looked(asked, found, process_time() - began, self._sent() - sent)

    async def all_look(self, seed: int) -> Looked:
        asked = [(asker, target) for asker, (_, target) in zip(self.living, errands(seed, [0]), strict=False)]
        found: dict[int, tuple[float, list[Contact]]] = {}

        async def one(asker: int, target: bytes) -> None:
            found[asker] = await self.living[asker].lookup(target)

        began, sent = process_time(), self._sent()
        async with trio.open_nursery() as nursery:
            for asker, target in asked:
                nursery.start_soon(one, asker, target)
        return self._looked(asked, [found[asker] for asker, _ in asked], process_time() - began, self._sent() - sent)

    async def store(self, many: int, kib: float) -> Stored:
        count, puts, gets, found = len(self.living), list[float](), list[float](), 0
        for number in range(many):
            record = self.living[number % count].record()
            puts.append(await self.living[number % count].put(record))
            took_s, got = await self.living[(number + count // 2) % count].get(record.did)
            gets.append(took_s)
            found += got == record
        return Stored(kib, puts, gets, found)

    def die(self, percent: int) -> None:
        for number in mortals(len(self.living), percent):
            self.living.pop(number).scope.cancel()

    def _sent(self) -> int:
        return sum(node.ports.traffic.sent for node in self.living.values())

    def _looked(
        self, asked: list[tuple[int, bytes]], found: list[tuple[float, list[Contact]]], cpu_s: float, sent: int
    ) -> Looked:
        ids = {number: node.contact.number for number, node in self.living.items()}
        right = sum(
            contacts[:1] == [self.living[nearest(target, ids, asker)].contact]
            for (asker, target), (_, contacts) in zip(asked, found, strict=True)
        )
        return Looked(cpu_s, [took for took, _ in found], right, sent)
