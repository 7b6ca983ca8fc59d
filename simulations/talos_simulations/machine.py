"""A machine: disks, clocks, dice and a place in the network. It outlives the processes that run on it."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, Final

import trio

from talos.core.identity import enrol
from talos.core.names import PeerAddress, did_of, peer_id_of
from talos.core.storage_key import new_vault
from talos.core.tables import CACHE_TABLES, STATE_TABLES
from talos.core.vault import Vault
from talos.drivers.data_folder import settle
from talos.errors import TalosError
from talos.host import Address
from talos_simulations import dice
from talos_simulations.clock import Clocks
from talos_simulations.disk import Disk
from talos_simulations.process import Process
from talos_simulations.streams import SimStream
from talos_simulations.weather import Kind

if TYPE_CHECKING:
    from talos_simulations.world import World

PORT: Final = 4_000  # Of every node; each has a machine of its own.
RESTART_S: Final = 2.0  # After a process has failed by itself, as a service manager would.
STOP_S: Final = 60.0  # A node that is asked to stop, when the run is over, has so long.
KEY_SIZE: Final = 32  # Bytes.


class Machine:
    """Its owner wants one process on it, always: whatever ends is started again (`keep_running`)."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.persona = name  # Whose identity it has, and so whose messages it sends: another's, if it is a clone.
        self.network = world.network
        self.site = world.network.site(name)
        self.steps = world.steps
        self.dice = dice.stream(world.seed, "application", name)
        self.entropy = world.kem.watched(dice.entropy(world.seed, "entropy", name))
        self.encapsulate = world.kem.encapsulate_with(dice.entropy(world.seed, "kem", name))
        self.clocks = Clocks()
        self.state = Disk(STATE_TABLES, dice.stream(world.seed, "disk", name))
        self.cache = Disk(CACHE_TABLES, dice.stream(world.seed, "cache", name))
        vault = new_vault(self.entropy)
        self.storage_keys: dict[int, bytes] = dict(vault.keys)  # What is in its keystore.
        self.storage_current = vault.current
        made = enrol(name, self.entropy(KEY_SIZE), vault, self.entropy, self.clocks.wall_ms(0.0))
        settle(self.state.rows, made.step.writes, vault, self.entropy)
        self.rotation_key, self.did = made.rotation_key, made.did
        self.config = world.settings(name, ())
        self.peers: tuple[str, ...] = ()
        self.process: Process | None = None
        self.holds = 0  # Faults that keep it down: what ends meanwhile is not started again before all are over.
        self.may_start = trio.Event()
        self.is_rotten = False  # A bit of its disk has turned: it may refuse to work.
        self.stands_until = 0.0
        self.lag_s = 0.0
        self.is_idle = False
        self.lasting: dict[Kind, list[float]] = {}  # Amounts of the faults that are on, of kinds that overlap.
        self._snapshot: tuple[Disk, dict[int, bytes], int] | None = None

    @property
    def address(self) -> Address:
        return Address(self.name, PORT)

    @property
    def did_text(self) -> str:
        return did_of(self.did)

    @property
    def peer_id(self) -> str:
        return peer_id_of(self.did)

    def vault(self) -> Vault:
        """Open the keystore."""
        return Vault(self.storage_keys, self.storage_current)

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.is_up

    @property
    def ready_since(self) -> float | None:
        """Return since when its process is up and its disk takes writes, in the world's time; None if they do not."""
        process = self.process
        return None if process is None or not process.is_up or process.has_failed_disk else process.up_at

    def streams_to(self, name: str) -> list[SimStream]:
        """Return the streams between its process and that machine, oldest first."""
        return [one for one in self.process.card.streams if one.peer.host == name] if self.process is not None else []

    def has_nothing_left(self, others: Container[str]) -> bool:
        """True if it is up, and nothing waits here for the application or for the peers whose ids are given."""
        status = self.process.status() if self.process is not None else None
        return (
            status is not None
            and not status.inbox
            and not any(peer.undelivered and peer.did in others for peer in status.peers)
        )

    def befriend(self, others: list[Machine], ways_in: list[Machine]) -> None:
        """Send to these, and know where they are; or, where nodes are to find each other, these ways in."""
        self.peers = tuple(other.name for other in others)
        peers, known = (
            tuple(PeerAddress(other.did, other.name, PORT) for other in machines if other is not self)
            for machines in (others, ways_in)
        )
        self.config = self.world.settings(self.name, peers, known)

    def note(self, kind: str, text: str = "") -> None:
        self.world.note(kind, self.name, text=text)

    async def keep_running(self) -> None:
        """Until cancelled, or `stop` was called."""
        while not self.world.is_over:
            while self.holds:
                await self.may_start.wait()
            if self.world.is_over:
                return
            why = await self._run_once()
            if self.world.is_over:
                return
            self.note("down", why)
            if not self.holds:
                await trio.sleep(RESTART_S)

    async def _run_once(self) -> str:
        """Return why it ended."""
        for disk in (self.state, self.cache):
            disk.mend()
        self.process = process = Process(self)
        self.stand_still()
        why: str | None = None
        try:
            await process.run()
        except* Exception as errors:  # Also out of a group with a cancellation, which passes through.
            if not process.power.is_gone:
                causes = list(_leaves(errors))
                why = str(causes[0])
                if not all(isinstance(cause, TalosError) for cause in causes):
                    self.world.crashed(self.name, errors)
        finally:
            self.process = None
        return why or ("crashed" if process.power.is_gone else "stopped")

    # What befalls it

    def crash(self, steps: int, *, power_too: bool) -> None:
        """Let the process die so many scheduler steps from now; it stays down until `start`."""
        self.stay_down()
        process = self.process
        if process is not None and steps:
            process.fuse.light(steps, lambda: self._crash_now(process, power_too))
        else:
            self._crash_now(process, power_too)

    def _crash_now(self, process: Process | None, power_too: bool) -> None:
        if process is not None:
            self.note("crash", "power" if power_too else "kill")
            process.crash(power_too=power_too)
        if power_too:
            self.site.is_on = False

    def stay_down(self) -> None:
        """Start no process until `start` was called as often."""
        if not self.holds:
            self.may_start = trio.Event()
        self.holds += 1

    def start(self) -> None:
        """It may run again, unless something else keeps it down."""
        self.holds -= 1
        if self.holds:
            return
        if not self.site.is_on:
            self.site.is_on = True
            self.clocks.reboot(trio.current_time())
            self.network.look_again()
        if self.process is not None:
            self.process.fuse.steps_left = None  # It never came to the crash.
        self.may_start.set()

    def stop(self) -> None:
        """Ask the process to end well."""
        if self.process is not None:
            self.process.stop()

    async def has_stopped(self) -> None:
        """Return once no process runs here."""
        if self.process is not None:
            await self.process.ended.wait()

    def restart(self) -> None:
        """Its owner stops the node by force, and starts it."""
        self.crash(0, power_too=False)
        self.network.agenda.after(RESTART_S, self.start)

    def be_quiet(self) -> None:
        """The storm is over: nobody sends."""
        if self.process is not None and self.process.application is not None:
            self.process.application.is_sending = False

    def look_after(self) -> None:
        """Do what its owner would: start a node anew whose store takes nothing more."""
        if self.process is not None and self.process.has_failed_disk and not self.holds:
            self.restart()

    def keep_snapshot(self) -> None:
        self._snapshot = self.state.copy(), dict(self.storage_keys), self.storage_current

    def go_back(self) -> None:
        """Somebody puts an old copy of the disk in its place."""
        self.crash(0, power_too=False)
        snapshot = self._snapshot

        def put_back() -> None:
            if snapshot is not None:
                self.state, self.storage_keys, self.storage_current = snapshot
            self.start()

        self.network.agenda.after(RESTART_S, put_back)

    def become(self, other: Machine) -> None:
        """Come back as a copy of another machine's folder."""
        self.crash(0, power_too=False)
        state, cache = other.state.copy(), other.cache.copy()
        keys, current = dict(other.storage_keys), other.storage_current

        def come_back() -> None:
            self.state, self.cache = state, cache
            self.storage_keys, self.storage_current = dict(keys), current
            self.rotation_key, self.did = other.rotation_key, other.did
            self.persona, self.peers = other.persona, other.peers
            self.start()

        self.network.agenda.after(RESTART_S, come_back)

    def stand_still(self, until: float | None = None) -> None:
        """Do nothing until then; the process that comes next does so too."""
        if until is not None:
            self.stands_until = until
        if self.process is not None:
            self.process.power.stands_until = self.stands_until
            self.process.power.lag_s = self.lag_s

    def set_idle(self, is_idle: bool) -> None:
        self.is_idle = is_idle
        if self.process is not None and self.process.application is not None:
            self.process.application.set_idle(is_idle)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors that a group is made of; of a lone one, itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
