"""What senders and receivers were promised (DECISIONS 14)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from talos.core.tables import MARKS
from talos_simulations.books import Act, Deed
from talos_simulations.check import Check

if TYPE_CHECKING:
    from talos_simulations.process import Process
    from talos_simulations.world import World


class NothingLost(Check):
    """What a node accepted arrives, if both nodes are sound in the end."""

    def concludes(self) -> Iterator[str]:
        for ledger in self.world.books.ledgers():
            if not self.world.are_sound(ledger.sender, ledger.receiver):
                continue
            lost = sorted(ledger.missing())
            if lost:
                yield (
                    f"{len(lost)} of {len(ledger.accepted)} messages from {ledger.sender} to {ledger.receiver} never "
                    f"arrived, though all was well for {self.world.plan.calm_s:.0f} s: {_some(lost)}"
                )


class NothingTwice(Check):
    """Once an application's acknowledgement has returned, its message is never handed out again."""

    acts = (Act.HANDED,)

    def sees(self, deed: Deed) -> Iterable[str]:
        if deed.number in self.world.books.ledger(deed.sender, deed.receiver).done:
            yield f"{deed} was done, and is handed out again"


class NothingInvented(Check):
    """Whatever is handed out was sent: by the node it names, as it is, and not refused."""

    acts = (Act.HANDED, Act.GARBLED)

    def sees(self, deed: Deed) -> Iterable[str]:
        ledger = self.world.books.ledger(deed.sender, deed.receiver)
        if deed.act is Act.GARBLED:
            yield f"{deed.receiver} was handed something, as from {deed.sender}, that this node never sent"
        elif not 1 <= deed.number <= ledger.tried:
            yield f"{deed} was handed out, and {ledger.tried} were sent"
        elif deed.number in ledger.refused:
            yield f"{deed} was refused, and arrived all the same"


class InOrder(Check):
    """A sender's messages are handed out in the order they were sent in, as far as they arrive."""

    acts = (Act.HANDED,)

    def sees(self, deed: Deed) -> Iterable[str]:
        ledger = self.world.books.ledger(deed.sender, deed.receiver)
        if deed.number not in ledger.handed and deed.number < ledger.newest:
            yield f"{deed} comes after message {ledger.newest}"


class DeliveredIsThere(Check):
    """A receipt says DELIVERED only of what is on the receiver's disk, taken."""

    acts = (Act.DELIVERED,)

    def sees(self, deed: Deed) -> Iterable[str]:
        if not self.world.is_whole(deed.receiver):
            return
        sender, receiver = self.world.machines[deed.sender], self.world.machines[deed.receiver]
        marks = receiver.state.rows.scan(MARKS, sender.did)
        highest = max((int.from_bytes(value) for key, value in marks if key != sender.did), default=0)
        if highest < deed.seq:
            yield f"{deed} was said to be delivered, and {deed.receiver} has taken no more than number {highest}"


class RepeatsAreTold(Check):
    """What an earlier process may have handed out is marked so when it is handed out again."""

    acts = (Act.HANDED,)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._by: dict[tuple[str, str, int], Process | None] = {}

    def sees(self, deed: Deed) -> Iterable[str]:
        key, process = (deed.sender, deed.receiver, deed.number), self.world.machines[deed.receiver].process
        if key in self._by and self._by[key] is not process and not deed.redelivered:
            yield f"{deed} was handed out before a restart, and comes again as if it were new"
        self._by[key] = process


class ComesToRest(Check):
    """Once all is well, every sound node gets rid of what it accepted and of what it was sent."""

    def concludes(self) -> Iterable[str]:
        if not self.world.has_settled:
            calm_s = self.world.plan.calm_s
            yield f"{calm_s:.0f} s after all was well, something still waits, for an application or for a peer"


def _some(numbers: list[int], most: int = 8) -> str:
    return ", ".join(map(str, numbers[:most])) + (" ..." if len(numbers) > most else "")
