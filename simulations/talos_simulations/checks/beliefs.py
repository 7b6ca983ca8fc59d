"""What a node may believe of others, whoever tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey

from talos_dht import Record
from talos_dht.record import places_of
from talos_simulations.check import Check

if TYPE_CHECKING:
    from talos.services.discovery.service import Discovery
    from talos_simulations.machine import Machine
    from talos_simulations.process import Process
    from talos_simulations.world import World

FOUND = b""  # Beside the three places of a record: where it was found, not where it is held.


class NoLieBelieved(Check):
    """What a node believes of another, that one has signed; it gives up none for an older; and no liar is its peer."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._true: set[tuple[bytes, bytes]] = set()  # DID and signature of records that were looked at.
        self._newest: dict[tuple[Process, bytes, bytes], int] = {}  # By who believes it, of whom and where: its number.

    def looks(self) -> Iterator[str]:
        machines = self.world.machines
        for name, machine in machines.items():
            process = machine.process
            if process is None or process.node is None or process.node.discovery is None:
                continue
            status = process.status()
            if status is None:
                continue
            for peer in status.peers:
                if peer.session and peer.did not in self.world.dids.values():
                    yield f"{name} has a session with {peer.did}, which is no node's"
            for other in machines.values():
                for place, record in _believed(process.node.discovery, other.did):
                    if not self._is_signed(record, other):
                        yield f"{name} believes of {other.name} what that has not signed"
                    before = self._newest.get((process, other.did, place), 0)
                    if record.seq < before:
                        yield f"{name} believes number {record.seq} of {other.name}, and knew number {before}"
                    self._newest[process, other.did, place] = record.seq

    def _is_signed(self, record: Record, by: Machine) -> bool:
        known = record.did, record.signature
        if known not in self._true:
            try:
                SigningKey(by.rotation_key).verify_key.verify(record.message(), record.signature)
            except BadSignatureError:
                return False
            self._true.add(known)
        return record.did == by.did


def _believed(discovery: Discovery, did: bytes) -> Iterator[tuple[bytes, Record]]:
    """Yield what it has found of an identity, and what it holds of it for others, by place."""
    found = discovery.finder.found(did)
    if found is not None:
        yield FOUND, found.record
    for place in places_of(did):
        for held in discovery.dht.shelf.at(place, 0):
            if isinstance(held, Record):
                yield place, held
