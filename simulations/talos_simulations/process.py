"""One run of a node on a machine: from start to stop, or to the crash that ends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import trio

from talos.core.identity import load
from talos.core.report import NodeStatus
from talos.drivers.data_folder import Opened
from talos.errors import NodeStopped
from talos.host import Host
from talos.runtime import Node
from talos_simulations.application import Application
from talos_simulations.clock import ProcessClock
from talos_simulations.disk import Mount
from talos_simulations.network import Card
from talos_simulations.power import Power
from talos_simulations.steps import Fuse
from talos_simulations.streams import SimStream

if TYPE_CHECKING:
    from talos_simulations.machine import Machine

T = TypeVar("T")


class Process:
    """`run` it once. While it runs, `node` and `application` are what the checks look at."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.fuse = Fuse()
        self.power = Power(self.fuse)
        self.card = Card(machine.network, machine.site, self.power)
        self.card.watch = self._went_out
        self.clock = ProcessClock(machine.clocks, self.power, machine.network.agenda.now)
        self.scope = trio.CancelScope()
        self.ended = trio.Event()
        self.stopping_since: float | None = None  # On its monotonic clock.
        self.up_at: float | None = None  # World time.
        self._mounts = [Mount(machine.state, self.power), Mount(machine.cache, self.power)]
        self.host = Host(
            network=self.card,
            store=self._mounts[0],
            cache=self._mounts[1],
            entropy=machine.entropy,
            encapsulate=machine.encapsulate,
            clock=self.clock,
            blocking=self._blocking,
        )
        self.node: Node | None = None
        self.application: Application | None = None

    @property
    def is_up(self) -> bool:
        """True once the node listens, until it is gone or was asked to stop."""
        return self.node is not None and not self.power.is_gone and self.stopping_since is None

    def status(self) -> NodeStatus | None:
        """Return what the node says of itself; None unless it is up."""
        if self.node is None or not self.is_up:
            return None
        try:
            return self.node.status()
        except NodeStopped:
            return None  # It is on its way out, by itself.

    def last_crash(self) -> str | None:
        """Return what failed in the node that nobody foresaw."""
        try:
            return self.node.last_crash if self.node is not None else None
        except NodeStopped:
            return None

    def stopping_for(self) -> float:
        """Return how many seconds ago it was asked to stop, less what its machine stood still."""
        if self.stopping_since is None or self.power.is_gone:
            return 0.0
        return min(self.clock.monotonic() - self.stopping_since, trio.current_time() - self.power.stands_until)

    @property
    def has_failed_disk(self) -> bool:
        return any(mount.failure is not None for mount in self._mounts)

    async def run(self) -> None:
        """Until it stops, crashes or fails. Raises what the node raises; what the dead raise means nothing."""
        machine = self._machine
        machine.steps.belongs_to(trio.lowlevel.current_task(), self.fuse)
        try:
            with self.scope:
                await self._run(machine)
        finally:
            self.card.kill()
            for mount in self._mounts:
                mount.close()
            self.ended.set()

    async def _run(self, machine: Machine) -> None:
        world, store = machine.world, self.host.store
        vault = machine.vault()
        me = load(store, vault, machine.rotation_key, self.clock.wall_ms())
        node = Node(machine.config, Opened(self.host, me, vault, self._keep), world.suite)
        application = Application(
            machine.persona, node, world.books, world.ids, world.load, self.clock, self.power, machine.dice
        )
        async with trio.open_nursery() as nursery:

            async def run_node(*, task_status: trio.TaskStatus[None]) -> None:
                await node.run(task_status=task_status)
                nursery.cancel_scope.cancel()

            await nursery.start(run_node)
            self.node, self.application = node, application
            application.is_sending = world.is_sending
            application.set_idle(machine.is_idle)
            machine.note("up")
            self.up_at = trio.current_time()
            await application.run(machine.peers)

    def _went_out(self, stream: SimStream, data: bytes) -> None:
        behind = self._machine.world.suite.went_out(data, stream.lanes)
        if behind is not None and not self.card.passes_on(data):  # What a relay passes on, others have put in order.
            self._machine.world.out_of_turn(f"{self._machine.name} to {stream.peer.host}: {behind}")

    def _keep(self, keys: Mapping[int, bytes], current: int) -> None:
        """Write the keystore: whole or not at all, as `talos.drivers.files` does."""
        if not self.power.is_gone:
            self._machine.storage_keys, self._machine.storage_current = dict(keys), current

    async def _blocking(self, work: Callable[[], T]) -> T:
        """Run blocking work here. It takes as long as a flush; then all of it is done, and then we are told."""
        await self.power.work()
        flush_s = self._machine.state.flush_s
        if flush_s and not self.power.is_gone:
            with trio.CancelScope(shield=True):
                await trio.sleep(flush_s)
        result = work()
        await self.power.pause()
        await self.power.awake()
        return result

    def stop(self) -> None:
        """Ask it to end well; who has not come up yet is ended."""
        if self.stopping_since is None:
            self.stopping_since = self.clock.monotonic()
        if self.node is not None:
            self.node.stop()
        else:
            self.scope.cancel()

    def crash(self, *, power_too: bool) -> None:
        """Dead from this moment: the host is void first, then the tasks are cancelled (DECISIONS 19)."""
        if self.power.is_gone:
            return
        self.power.is_gone = True
        if power_too:
            self.card.vanish()
        else:
            self.card.kill()
        self.scope.cancel()
