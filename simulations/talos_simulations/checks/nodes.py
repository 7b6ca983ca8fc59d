"""What every node owes itself: keys used once, bounded work, no crash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from talos.core.inbox import NODE_ROWS_MAX
from talos.core.outbox_row import Phase
from talos.core.tables import OUTBOX
from talos.services.link import GREETING_S
from talos.services.links import LINKS_MAX
from talos.services.places import FAMILIAR_PLACES, STRANGERS_MAX
from talos_dht.calls import SENDS_MAX
from talos_dht.messages import PONG_SIZE, SEAL_SIZE
from talos_simulations.check import Check
from talos_simulations.machine import STOP_S
from talos_simulations.steps import STEPS_MAX
from talos_simulations.streams import WINDOW, SimStream

if TYPE_CHECKING:
    from talos_simulations.process import Process
    from talos_simulations.world import World

TASKS_OF_A_NODE: Final = 80  # Services, dials under way, the application's own.
TASKS_OF_A_LINK: Final = 4
STOPPING_MAX_S: Final = 30.0  # A node promises 5 s on a disk that is not slow; these may be.
PING_SIZE: Final = SENDS_MAX * (SEAL_SIZE + PONG_SIZE)  # Bytes of one that nobody answers.
STRANGERS_MAX_S: Final = GREETING_S + 2.0  # A stream on which nobody has proved who he is; the rest is the road's.


class NoKeyReused(Check):
    """No message key encrypts twice, whatever was restored, repeated or sent again."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.suite.reused = lambda key: world.happened(self.name, f"message key {key[:6].hex()} encrypts again")


class WithinBounds(Check):
    """Queues, links, streams and tasks stay within the limits that were set."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._limit_steps()

    def _limit_steps(self) -> None:
        nodes, told = len(self.world.machines), f"the nodes run on and on: {STEPS_MAX} steps of each in a second"
        self.world.steps.limit(nodes, lambda: self.world.happened(self.name, told))

    def looks(self) -> Iterator[str]:
        self._limit_steps()
        now, liars = self.world.now(), self.world.plan.names_of_liars
        for name, machine in self.world.machines.items():
            process = machine.process
            if process is None:
                continue
            if process.stopping_for() > STOPPING_MAX_S:
                yield f"{name} was asked to stop {process.stopping_for():.0f} s ago, and runs"
            status = process.status()
            if status is None:
                continue
            rows = machine.state.rows.scan(OUTBOX)  # Not what the node counts: that may be what is wrong.
            stored = sum(value[0] != Phase.VOID for _, value in rows)
            if stored > status.queue_limit and self.world.is_whole(name):
                yield f"{stored} undelivered messages are stored at {name}, whose limit is {status.queue_limit}"
            if status.undelivered > status.queue_limit:
                yield f"{status.undelivered} messages wait at {name}, whose limit is {status.queue_limit}"
            if status.inbox > NODE_ROWS_MAX:
                yield f"{status.inbox} messages lie in the inbox of {name}"
            if status.links > LINKS_MAX:
                yield f"{name} has {status.links} links"
            links = status.links + STRANGERS_MAX + FAMILIAR_PLACES
            allowed = TASKS_OF_A_NODE + TASKS_OF_A_LINK * links + status.undelivered
            tasks = process.fuse.tasks
            if tasks > allowed:
                yield f"{name} runs {tasks} tasks for {status.links} links"
            held = max((stream.waiting for stream in process.card.streams), default=0)
            if held > WINDOW:
                yield f"a stream of {name} holds {held} bytes that nobody reads"
            kept_s = now - min((stream.opened_at for stream in _to_liars(process, liars)), default=now)
            if kept_s > STRANGERS_MAX_S:
                yield f"{name} has kept a stream to a machine that lies for {kept_s:.0f} s"

        yield from self._amplified()

    def _amplified(self) -> Iterator[str]:
        """To where nobody is, a node sends what it was sent in that name, and now and then a ping; no multiple."""
        post = self.world.network.post
        for (name, nowhere), said in post.said_from_nowhere.items():
            sent = post.sent_to_nowhere[name, nowhere]
            if sent > 2 * said + PING_SIZE:
                yield f"{name} has sent {sent} bytes to {nowhere}, where nobody is, for {said} that came in its name"

    def concludes(self) -> Iterator[str]:
        for name in self.world.still_running:
            yield f"{name} was asked to stop {STOP_S:.0f} s ago, and runs"


def _to_liars(process: Process, liars: Sequence[str]) -> list[SimStream]:
    return [stream for stream in process.card.streams if stream.peer.host in liars]


class NoCrash(Check):
    """Nothing fails in a way that nobody foresaw: no exception leaves a node, and no task of a peer dies of one."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.crashed = lambda name, error: world.happened(self.name, f"{name}: {error!r}")

    def looks(self) -> Iterator[str]:
        for name, machine in self.world.machines.items():
            crash = machine.process.last_crash() if machine.process is not None else None
            if crash is not None:
                yield f"{name}: {crash}"
