"""What must not wait: the oldest message to a peer where all is well, and control frames behind data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talos.core.inbox import SLACK
from talos.core.tables import OUTBOX
from talos.services.link import DRAIN_S, GREETING_S
from talos.services.links import DEAD_S, PING_S
from talos.services.redial import JITTER
from talos_simulations.check import Check

if TYPE_CHECKING:
    from talos_simulations.machine import Machine
    from talos_simulations.streams import SimStream
    from talos_simulations.world import World

DID_SIZE: Final = 32  # Bytes; with them begins the key of an outbox row.
BEHIND: Final = b"\xff" * 9  # After a DID: behind every row of that peer.
# A link that is used waits on no timer but that of one which is drained, because another has taken its place. For all
# else it takes so many turns: a packet one way, and a flush.
TURNS: Final = 8
DEAD_LINK_S: Final = DEAD_S + PING_S  # Whether a silent link is dead is asked every PING_S.
DIALS: Final = 3  # One may have begun while all was not well; one may find that the card of the peer is out of date.


@dataclass(slots=True)
class _Wait:
    """Of the oldest message from one node to another."""

    key: bytes  # Of its row.
    since: float  # It has not moved, and all was well.
    link: SimStream | None = None  # The newest stream between the two that carries ...
    linked_since: float = 0.0  # ... and since when it is that.
    is_cut_off: bool = False  # The sender holds a stream that is dead, and was not told.


class InTime(Check):
    """While all is well between two nodes, the oldest message that waits in one for the other moves on in time."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._waits: dict[tuple[str, str], _Wait] = {}
        self._road_s = world.plan.latency_s[1]
        self._on_a_link_s = DRAIN_S + TURNS * (self._road_s + world.plan.flush_s)
        pauses_s = (DIALS - 1) * (1 + JITTER) * world.plan.retry_interval_s
        self._for_a_link_s = DIALS * GREETING_S + pauses_s + self._on_a_link_s

    def looks(self) -> Iterator[str]:
        waits: dict[tuple[str, str], _Wait] = {}
        now, machines = self.world.now(), self.world.machines
        for name, machine in machines.items():
            oldest = _oldest(machine)
            for peer in machine.peers if oldest else ():
                key = oldest.get(machines[peer].did)
                if key is None:
                    continue
                wait = self._waits.get((name, peer))
                if wait is None or wait.key != key:
                    wait = _Wait(key, now)
                elif self._may_go_on(machine, machines[peer], wait, now):
                    yield from self._tell(machine, peer, wait, now)
                waits[name, peer] = wait
        self._waits = waits

    def _may_go_on(self, sender: Machine, receiver: Machine, wait: _Wait, now: float) -> bool:
        """Say whether nothing is in the way of the message; if something is, it waits anew from now on."""
        well_since = self.world.well_since(sender.name, receiver.name)
        if (
            well_since is None
            or any(stream.last_due > now + self._road_s for stream in sender.streams_to(receiver.name))
            or not _has_slack(receiver)
        ):
            wait.since = now
            return False
        wait.since = max(wait.since, well_since)
        return True

    def _tell(self, sender: Machine, peer: str, wait: _Wait, now: float) -> Iterator[str]:
        streams = sender.streams_to(peer)
        link = next((stream for stream in reversed(streams) if stream.carries), None)
        if link is not wait.link:
            wait.link, wait.linked_since = link, now
        is_cut_off = any(stream.is_forgotten for stream in streams)
        if wait.is_cut_off and not is_cut_off:
            wait.since = now
        wait.is_cut_off = is_cut_off
        what = f"message {int.from_bytes(wait.key[DID_SIZE:])} from {sender.name} to {peer} has waited"
        if link is not None:
            linked_s = now - max(wait.since, wait.linked_since, link.opened_at + GREETING_S)
            if linked_s > self._on_a_link_s:
                yield f"{what} {linked_s:.0f} s on a link, and nothing is in its way"
        waited_s = now - wait.since
        if is_cut_off and waited_s > DEAD_LINK_S:
            yield f"{what} {waited_s:.0f} s on a link that is dead"
        elif not is_cut_off and waited_s > self._for_a_link_s:
            yield f"{what} {waited_s:.0f} s for a link, and nothing is in its way"


class LanesInOrder(Check):
    """Of all that waits for a link, control frames go out first, then messages, then bulk."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.out_of_turn = lambda text: world.happened(self.name, text)


def _oldest(machine: Machine) -> dict[bytes, bytes]:
    """Return the key of the oldest row of each peer that something waits for, by DID."""
    rows, oldest, start = machine.state.rows, dict[bytes, bytes](), b""
    while (row := next(rows.scan(OUTBOX, start=start), None)) is not None:
        did = row[0][:DID_SIZE]
        oldest[did] = row[0]
        start = did + BEHIND
    return oldest


def _has_slack(machine: Machine) -> bool:
    """Say whether its inbox is so empty that any peer which was told BUSY is told to go on."""
    status = machine.process.status() if machine.process is not None else None
    return status is not None and status.inbox <= machine.world.plan.inbox_limit * SLACK
