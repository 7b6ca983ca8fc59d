"""What each fault does to the world when it begins, and when it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Final

from talos.errors import UsageError
from talos_simulations.disk import RESERVE
from talos_simulations.weather import Fault, Kind

if TYPE_CHECKING:
    from talos_simulations.machine import Machine
    from talos_simulations.world import World

ROADS: Final = frozenset(
    {
        Kind.PARTITION,
        Kind.ONE_WAY,
        Kind.LOSS,
        Kind.DELAY,
        Kind.NARROW,
        Kind.JAM,
        Kind.DUPLICATE,
        Kind.REORDER,
        Kind.RESET,
        Kind.FORGET,
        Kind.CUT,
        Kind.FLIP,
    }
)
PAIRS: Final = ROADS - {Kind.PARTITION} | {Kind.CLONE}

CHANCE: Final = (0.0, 1.0)
SECONDS: Final = (0.0, 3_600.0)
AMOUNTS: Final = {
    Kind.LOSS: CHANCE,
    Kind.DUPLICATE: CHANCE,
    Kind.REORDER: CHANCE,
    Kind.ROT: CHANCE,
    Kind.DELAY: SECONDS,
    Kind.SLOW: SECONDS,
    Kind.SLOW_DISK: SECONDS,
    Kind.NARROW: (1.0, 1e12),
    Kind.KILL: (0.0, 1e9),
    Kind.POWER: (0.0, 1e9),
    Kind.FULL: (-float(RESERVE), 1e12),
    Kind.DRIFT: (0.5, 2.0),
}

End = Callable[[], None]
Force = Callable[["Machine", Fault], End]


def require_sense(fault: Fault, names: Sequence[str]) -> None:
    """Raises `UsageError` where a fault is not about nodes of this run, or of an amount that cannot be."""
    strange = [name for name in fault.who if name not in names]
    if strange:
        raise UsageError(f"{fault.kind} is about {strange[0]}, and there is no such node", fix="Run with --nodes N")
    wanted = 2 if fault.kind in PAIRS else 1
    if len(set(fault.who)) != len(fault.who) or (len(fault.who) != wanted and fault.kind is not Kind.PARTITION):
        raise UsageError(f"{fault.kind} is about {wanted} node(s), not {', '.join(fault.who) or 'none'}")
    if not fault.who:
        raise UsageError(f"{fault.kind} names no node that it is about")
    least, most = AMOUNTS.get(fault.kind, (-inf, inf))
    if not least <= fault.amount <= most:
        raise UsageError(f"{fault.kind} has an amount from {least:g} to {most:g}, not {fault.amount:g}")


def prepare(world: World, fault: Fault) -> None:
    """Do what must have been done before the fault begins."""
    if fault.kind is Kind.OLD_SNAPSHOT:
        world.agenda.at(fault.at - fault.for_s, world.machines[fault.who[0]].keep_snapshot)


def begin(world: World, fault: Fault) -> End:
    """Let it happen; return what ends it."""
    if fault.kind in ROADS:
        world.network.begin(fault)
        return lambda: world.network.end(fault)
    return _ON_MACHINES[fault.kind](world.machines[fault.who[0]], fault)


def _kill(machine: Machine, fault: Fault) -> End:
    machine.crash(int(fault.amount), power_too=fault.kind is Kind.POWER)
    return machine.start


def _stop(machine: Machine, fault: Fault) -> End:
    machine.stop()
    machine.stay_down()
    return machine.start


def _lasting(apply: Callable[[Machine, list[float]], None]) -> Force:
    """Return a force that is as all faults of its kind which are on make it; `apply` gets their amounts."""

    def begin(machine: Machine, fault: Fault) -> End:
        amounts = machine.lasting.setdefault(fault.kind, [])
        amounts.append(fault.amount)
        apply(machine, amounts)

        def end() -> None:
            amounts.remove(fault.amount)
            apply(machine, amounts)

        return end

    return begin


def _nat(machine: Machine, amounts: list[float]) -> None:
    machine.site.can_be_dialled = not amounts
    machine.network.look_again()


def _slow(machine: Machine, amounts: list[float]) -> None:
    machine.lag_s = sum(amounts)
    machine.stand_still()


def _idle(machine: Machine, amounts: list[float]) -> None:
    machine.set_idle(bool(amounts))


def _full(machine: Machine, amounts: list[float]) -> None:
    machine.state.room = int(min(amounts)) if amounts else None


def _slow_disk(machine: Machine, amounts: list[float]) -> None:
    machine.state.flush_s = max([machine.world.plan.flush_s, *amounts])


def _drift(machine: Machine, amounts: list[float]) -> None:
    machine.clocks.drift(machine.network.agenda.now(), amounts[-1] if amounts else 1.0)


def _freeze(machine: Machine, fault: Fault) -> End:
    now = machine.network.agenda.now()
    until = max(machine.stands_until, now + fault.for_s)
    is_suspended = fault.kind is Kind.SUSPEND
    if is_suspended:
        machine.clocks.suspend(now)
    machine.stand_still(until)
    if machine.process is not None:
        machine.process.clock.retime(now)

    def end() -> None:
        now = machine.network.agenda.now()
        if is_suspended:
            machine.clocks.resume(now)
        if now < until:  # All is well before its time.
            machine.stand_still(now)
            if machine.process is not None:
                machine.process.power.wake()
                machine.process.clock.retime(now)

    return end


def _flush_error(machine: Machine, fault: Fault) -> End:
    machine.state.flush_fails = True

    def end() -> None:
        machine.state.flush_fails = False
        machine.look_after()

    return end


def _rot(machine: Machine, fault: Fault) -> End:
    machine.is_rotten = True
    machine.note("rot", machine.state.rot(fault.amount))
    return _nothing


def _step(machine: Machine, fault: Fault) -> End:
    machine.clocks.offset_s += fault.amount

    def end() -> None:
        machine.clocks.offset_s -= fault.amount

    return end


def _clone(machine: Machine, fault: Fault) -> End:
    machine.world.machines[fault.who[1]].become(machine)
    return _nothing


def _old_snapshot(machine: Machine, fault: Fault) -> End:
    machine.go_back()
    return _nothing


def _nothing() -> None:
    pass


_ON_MACHINES: Final[dict[Kind, Force]] = {
    Kind.NAT: _lasting(_nat),
    Kind.KILL: _kill,
    Kind.POWER: _kill,
    Kind.STOP: _stop,
    Kind.FREEZE: _freeze,
    Kind.SUSPEND: _freeze,
    Kind.SLOW: _lasting(_slow),
    Kind.IDLE: _lasting(_idle),
    Kind.FULL: _lasting(_full),
    Kind.FLUSH_ERROR: _flush_error,
    Kind.SLOW_DISK: _lasting(_slow_disk),
    Kind.ROT: _rot,
    Kind.STEP: _step,
    Kind.DRIFT: _lasting(_drift),
    Kind.CLONE: _clone,
    Kind.OLD_SNAPSHOT: _old_snapshot,
}
