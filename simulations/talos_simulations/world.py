"""One run: machines, the network between them, the weather, and the checks that watch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import trio

from talos.config import Config
from talos.core.names import PeerAddress
from talos.host import Address
from talos_simulations import forces, scheduler
from talos_simulations.agenda import Agenda
from talos_simulations.application import Load
from talos_simulations.books import Act, Books, Deed
from talos_simulations.check import Check, Violation
from talos_simulations.checks import ALL
from talos_simulations.checks.log import Told
from talos_simulations.dice import stream
from talos_simulations.health import Health
from talos_simulations.hostile.lair import settle
from talos_simulations.kem import OpenKem
from talos_simulations.machine import PORT, STOP_S, Machine
from talos_simulations.network import Network
from talos_simulations.roads import Roads
from talos_simulations.steps import Steps
from talos_simulations.suite import WatchedSuite
from talos_simulations.trace import Trace
from talos_simulations.weather import Fault, Weather, names_of

LOOK_S: Final = 1.0  # Between two looks of the checks at every node, in a run of minutes ...
LOOKS: Final = 1_000  # ... and so many looks in a run of days.


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that makes a run, apart from its seed."""

    nodes: int
    weather: Weather
    demanded: tuple[type[Check], ...] = ALL  # What must hold.
    reported: tuple[type[Check], ...] = ()  # What is looked at, and only told.
    load: Load = field(default_factory=Load)
    storm_s: float = 60.0  # So long the weather lasts and everybody sends.
    calm_s: float = 240.0  # So long everything may take to arrive, once all is well again.
    latency_s: tuple[float, float] = (0.005, 0.05)
    queue_limit: int = 1_000
    inbox_limit: int = 1_000
    retry_interval_s: float = 30.0
    flush_s: float = 0.0
    away: tuple[str, ...] = ()  # These do not come back when all is well again.
    finds: bool = False  # Nobody is told of anybody but the first nodes: whom they send to they must find.
    relays: int = 0  # The first so many are relays, and all others are reached through them.
    liars: int = 0  # So many machines lie to them.

    @property
    def names(self) -> tuple[str, ...]:
        return names_of(self.nodes, finds=self.finds)

    @property
    def names_of_liars(self) -> tuple[str, ...]:
        return names_of(self.nodes + self.liars, finds=self.finds)[self.nodes :]


class World:
    """`run` it once, outside of trio."""

    def __init__(self, seed: int, plan: Plan, trace: Trace | None = None) -> None:
        self.seed = seed
        self.plan = plan
        self.load = plan.load
        self.trace = trace or Trace()
        self.steps = Steps(self.trace)
        self.agenda = Agenda()
        self.network = Network(self.agenda, Roads(seed, self._latency), self.trace)
        self.kem = OpenKem()
        self.suite = WatchedSuite()
        self.crashed: Callable[[str, BaseException], None] = lambda name, error: None
        self.out_of_turn: Callable[[str], None] = lambda text: None  # A frame went out behind one of a lower lane.
        self.books = Books(self._sees)
        self.violations: list[Violation] = []
        self.reports: list[Violation] = []  # Of checks that were not demanded.
        self.is_over = False
        self.is_sending = True
        self.told: dict[str, Told] = {}  # What one check has read in the log of each node, for the next.
        self.has_settled = False  # Once all was well, everything came to rest.
        self.still_running: tuple[str, ...] = ()  # Nodes that did not stop when they were asked to.
        self.virtual_s = 0.0
        self.look_s = max(LOOK_S, plan.storm_s / LOOKS)
        self.now: Callable[[], float] = lambda: 0.0
        self._scope = trio.CancelScope()
        self._finish: list[Callable[[], None]] = []  # Ends each fault that has begun.
        names = plan.names
        for fault in plan.weather:
            forces.require_sense(fault, names)
        self.health = Health(names)
        self.machines = {name: Machine(self, name) for name in names}
        self.ids = {name: machine.peer_id for name, machine in self.machines.items()}
        self.dids = {name: machine.did_text for name, machine in self.machines.items()}
        machines = list(self.machines.values())
        for at, machine in enumerate(machines):
            others = machines[at + 1 :] + machines[:at]
            machine.state.flush_s = plan.flush_s
            machine.befriend(others[: plan.load.peers], machines[: max(1, plan.relays)])
        self.lairs = settle(self, plan.names_of_liars)
        self.checks: list[Check] = [check(self) for check in (*plan.demanded, *plan.reported)]
        self._witnesses = {act: [one for one in self.checks if act in one.acts and _sees(one)] for act in Act}

    def settings(self, name: str, peers: tuple[PeerAddress, ...], ways_in: tuple[PeerAddress, ...] = ()) -> Config:
        plan = self.plan
        is_relay = name in plan.names[: plan.relays]
        return Config(
            name=name,
            listen=(Address(name, PORT),),
            peers=() if plan.finds else peers,
            discovery=("dht",) if plan.finds else (),
            bootstrap=ways_in if plan.finds else (),
            relay=is_relay,
            relays=() if is_relay or not plan.relays else ways_in,
            lan=False,
            queue_limit=plan.queue_limit,
            inbox_limit=plan.inbox_limit,
            retry_interval_s=plan.retry_interval_s,
        )

    def run(self) -> None:
        """Run to the end, or to the first violation."""
        scheduler.run(self.seed, self._run, [self.steps], self.steps.batch)

    # What is told

    def note(self, kind: str, node: str = "", other: str = "", number: int = 0, text: str = "") -> None:
        self.trace.note(self.now(), kind, node, other, number, text)

    def happened(self, check: str, text: str) -> None:
        """A promise is broken. If it was demanded, the run ends here."""
        demanded = any(one.__name__ == check for one in self.plan.demanded)
        found = self.violations if demanded else self.reports
        if not any(one.check == check for one in found):
            self.note("violation" if demanded else "report", check, text=text)
            found.append(Violation(check, self.now(), text))
        if demanded:
            self._scope.cancel()

    def _sees(self, deed: Deed) -> None:
        self.note(deed.act, deed.sender, deed.receiver, deed.number)
        for check in self._witnesses[deed.act]:
            for text in check.sees(deed):
                self.happened(check.name, text)

    def is_whole(self, name: str) -> bool:
        """True if this node's disk holds what was written to it."""
        return not self.machines[name].is_rotten

    def is_sound(self, name: str) -> bool:
        """True if what this node promised can be demanded of it."""
        return self.is_whole(name) and name not in self.plan.away

    def are_sound(self, *names: str) -> bool:
        return all(map(self.is_sound, names))

    def well_since(self, one: str, other: str) -> float | None:
        """Return since when these two run, and all is well between them; None if it is not, or cannot be demanded."""
        names = one, other
        since = self.health.well_since(*names)
        if since is None or not self.are_sound(*names):
            return None
        for name in names:
            ready = self.machines[name].ready_since
            if ready is None:
                return None
            since = max(since, ready)
        return since

    def _latency(self, source: str, target: str) -> tuple[float, float]:
        """Return the least and the most of one link: it is near or far, and more or less steady."""
        least, most = self.plan.latency_s
        dice = stream(self.seed, "latency", *sorted((source, target)))
        near = least + (most - least) * dice.random()
        return near, near + (most - near) * dice.random()

    # The run

    async def _run(self) -> None:
        self.agenda.begin()
        self.now = self.agenda.now
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.agenda.run)
                for lair in self.lairs:
                    nursery.start_soon(lair.run)
                for machine in self.machines.values():
                    nursery.start_soon(machine.keep_running)
                for fault in self.plan.weather:
                    forces.prepare(self, fault)
                    self.agenda.at(fault.at, partial(self._begin, fault))
                await self._storm()
                await self._calm()
                await self._stop()
                nursery.cancel_scope.cancel()
        self.virtual_s = self.agenda.now()
        if not self.violations:
            self._conclude()

    def _begin(self, fault: Fault) -> None:
        if not self.is_sending:
            return  # The storm is over.
        self.note("fault", ",".join(fault.who), fault.kind, text=f"{fault.for_s:g} {fault.amount:g}")
        end = forces.begin(self, fault)
        self.health.begin(fault)
        has_ended = False

        def finish() -> None:
            nonlocal has_ended
            if not has_ended:
                has_ended = True
                self.note("fault_ended", ",".join(fault.who), fault.kind)
                end()
                self.health.end(fault, self.now())

        self._finish.append(finish)
        self.agenda.after(fault.for_s, finish)

    async def _storm(self) -> None:
        while self.agenda.now() < self.plan.storm_s:
            await trio.sleep(self.look_s)
            self._look()

    async def _calm(self) -> None:
        """All is well again, at least for a majority of the nodes."""
        self.note("calm", ",".join(self.plan.away))
        self.is_sending = False
        for finish in self._finish:
            finish()
        for name, machine in self.machines.items():
            machine.be_quiet()
            if name in self.plan.away:
                machine.crash(0, power_too=True)
        until = self.agenda.now() + self.plan.calm_s
        while not (self.has_settled or self.agenda.now() >= until):
            await trio.sleep(self.look_s)
            self._look()
            for machine in self.machines.values():
                machine.look_after()
            self.has_settled = self._is_settled()

    def _is_settled(self) -> bool:
        """True once every sound node has taken what it was sent, and delivered what it accepted."""
        if any(ledger.missing() and self.are_sound(ledger.sender, ledger.receiver) for ledger in self.books.ledgers()):
            return False
        sound = {machine.did_text: machine for name, machine in self.machines.items() if self.is_sound(name)}
        return all(machine.has_nothing_left(sound) for machine in sound.values())

    def _look(self) -> None:
        for check in self.checks:
            for text in check.looks():
                self.happened(check.name, text)

    async def _stop(self) -> None:
        """Every node stops as it would when it is asked to."""
        self.is_over = True
        with trio.move_on_after(STOP_S):
            for machine in self.machines.values():
                machine.stop()
            for machine in self.machines.values():
                await machine.has_stopped()
        self.still_running = tuple(name for name, machine in self.machines.items() if machine.process is not None)

    def _conclude(self) -> None:
        for check in self.checks:
            for text in check.concludes():
                self.happened(check.name, text)


def _sees(check: Check) -> bool:
    return type(check).sees is not Check.sees
