"""What a fault does to a machine is undone when all is well again, also before its time."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from talos.errors import UsageError
from talos_simulations.check import Check
from talos_simulations.trace import Trace
from talos_simulations.weather import Fault, Kind
from talos_simulations.world import Plan, World


@pytest.mark.parametrize("kind", [Kind.FREEZE, Kind.SUSPEND])
def test_a_machine_that_stands_still_goes_on_when_the_storm_is_over(kind: Kind) -> None:
    world = World(1, Plan(nodes=2, weather=(Fault(kind, 2.0, 10_000.0, ("n0",)),), storm_s=10.0, calm_s=60.0))
    world.run()
    assert not world.violations
    assert world.virtual_s < 60.0


@pytest.mark.parametrize("kind", [Kind.FREEZE, Kind.SUSPEND])
def test_of_two_faults_that_overlap_the_later_end_counts(kind: Kind) -> None:
    stood, ran = dict[float, float](), dict[float, float]()

    class Watch(Check):
        def looks(self) -> Iterable[str]:
            machine, now = self.world.machines["n0"], self.world.agenda.now()
            stood[now], ran[now] = machine.stands_until, machine.clocks.monotonic(now)
            return ()

    weather = (Fault(kind, 1.5, 4.0, ("n0",)), Fault(kind, 3.5, 12.0, ("n0",)))
    world = World(1, Plan(nodes=2, weather=weather, demanded=(Watch,), storm_s=20.0, calm_s=60.0))
    world.run()
    assert stood[6.0] == stood[14.0] == 15.5
    if kind is Kind.FREEZE:
        assert ran[17.0] == pytest.approx(1_017.0)
    else:
        assert ran[2.0] == ran[6.0] == ran[15.0] == pytest.approx(1_001.5)
        assert ran[17.0] == pytest.approx(1_003.0)


AMOUNTS = {Kind.SLOW_DISK: (1.0, 0.5), Kind.SLOW: (0.1, 0.2), Kind.DRIFT: (1.5, 0.5), Kind.FULL: (10.0, 20.0)}


@pytest.mark.parametrize("kind", [Kind.NAT, Kind.IDLE, *AMOUNTS])
def test_faults_of_one_kind_that_overlap_last_until_the_last_of_them_ends(kind: Kind) -> None:
    well = dict[float, bool]()

    class Watch(Check):
        def looks(self) -> Iterable[str]:
            machine = self.world.machines["n0"]
            state = (machine.site.can_be_dialled, machine.is_idle, machine.state.flush_s, machine.lag_s)
            well[self.world.agenda.now()] = (*state, machine.clocks.rate, machine.state.room) == AS_EVER
            return ()

    first, second = AMOUNTS.get(kind, (0.0, 0.0))
    weather = (Fault(kind, 1.5, 4.0, ("n0",), first), Fault(kind, 3.5, 5.0, ("n0",), second))
    World(1, Plan(nodes=2, weather=weather, demanded=(Watch,), storm_s=12.0)).run()
    assert [well[float(second)] for second in range(1, 12)] == [second < 1.5 or second > 8.5 for second in range(1, 12)]


@pytest.mark.parametrize("kind", [Kind.KILL, Kind.POWER, Kind.STOP])
@pytest.mark.parametrize("other", [Kind.KILL, Kind.POWER, Kind.STOP])
def test_what_two_faults_keep_down_comes_back_when_both_are_over(kind: Kind, other: Kind) -> None:
    up = dict[float, bool]()

    class Watch(Check):
        def looks(self) -> Iterable[str]:
            up[self.world.agenda.now()] = self.world.machines["n0"].is_up
            return ()

    weather = (Fault(kind, 1.5, 8.0, ("n0",)), Fault(other, 3.5, 2.0, ("n0",)))
    World(1, Plan(nodes=2, weather=weather, demanded=(Watch,), storm_s=15.0)).run()
    assert [up[float(second)] for second in (1, 3, 5, 6, 9, 12)] == [True, False, False, False, False, True]


def test_a_crash_that_is_still_to_come_does_not_come_after_its_fault_is_over() -> None:
    weather = (Fault(Kind.KILL, 1.5, 1.0, ("n0",), 1e9), Fault(Kind.KILL, 2.0, 1.0, ("n0",), 1e9))
    world = World(1, Plan(nodes=2, weather=weather, storm_s=15.0), Trace(keep=True))
    world.run()
    assert not world.violations
    assert not [event for event in world.trace.events if event.kind == "crash"]
    assert world.machines["n0"].holds == 0


AS_EVER = (True, False, 0.0, 0.0, 1.0, None)


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (Fault(Kind.DRIFT, 0, 1, ("n0",), 0.0), "drift has an amount from 0.5 to 2, not 0"),
        (Fault(Kind.LOSS, 0, 1, ("n0", "n1"), 1.5), "loss has an amount from 0 to 1"),
        (Fault(Kind.NARROW, 0, 1, ("n0", "n1"), 0.0), "narrow has an amount from 1"),
        (Fault(Kind.PARTITION, 0, 1, ()), "partition names no node"),
        (Fault(Kind.KILL, 0, 1, ("n7",)), "no such node"),
        (Fault(Kind.RESET, 0, 1, ("n0",)), r"about 2 node\(s\)"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_before_anything_runs(fault: Fault, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        World(1, Plan(nodes=2, weather=(fault,)))
