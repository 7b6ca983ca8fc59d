"""A message that waits though all is well is noticed, and a frame that goes out of turn; what is in the way is seen."""

from __future__ import annotations

from itertools import combinations, product
from math import inf

import pytest

from talos.core.frames import Kind as Frame
from talos_simulations.application import Load
from talos_simulations.checks import InTime
from talos_simulations.health import Health
from talos_simulations.mutants import planted
from talos_simulations.suite import LENGTH_SIZE, Lanes, WatchedSuite
from talos_simulations.weather import Fault, Kind, Weather
from talos_simulations.world import Plan, World

NAMES = ("n0", "n1", "n2", "n3")
CROSSING = {("n0", "n2"), ("n0", "n3"), ("n1", "n2"), ("n1", "n3")}
OF_N1 = {("n0", "n1"), ("n1", "n2"), ("n1", "n3")}


def ill(*faults: Fault) -> set[tuple[str, str]]:
    health = Health(NAMES)
    for fault in faults:
        health.begin(fault)
    unwell = {pair for pair in combinations(NAMES, 2) if health.well_since(*pair) is None}
    assert unwell == {pair for pair in combinations(NAMES, 2) if health.well_since(*reversed(pair)) is None}
    return unwell


def test_a_fault_is_between_those_whom_it_is_about() -> None:
    assert ill() == set()
    assert ill(Fault(Kind.PARTITION, 1.0, 1.0, ("n0", "n1"))) == CROSSING
    assert ill(Fault(Kind.PARTITION, 1.0, 1.0, NAMES)) == set()
    assert ill(Fault(Kind.JAM, 1.0, 1.0, ("n2", "n0"))) == {("n0", "n2")}
    assert ill(Fault(Kind.ONE_WAY, 1.0, 1.0, ("n2", "n0"))) == {("n0", "n2")}
    assert ill(Fault(Kind.FREEZE, 1.0, 1.0, ("n1",))) == OF_N1
    assert ill(Fault(Kind.CLONE, 1.0, 0.0, ("n1", "n2"))) == OF_N1 | CROSSING - {("n0", "n3")} | {("n2", "n3")}


def test_two_nodes_are_well_once_the_last_fault_is_over_and_got_over() -> None:
    health = Health(NAMES)
    first, second, full = (
        Fault(kind, 1.0, 1.0, who)
        for kind, who in ((Kind.JAM, ("n0", "n1")), (Kind.IDLE, ("n1",)), (Kind.FULL, ("n3",)))
    )
    assert health.well_since("n0", "n1") == 0.0
    for fault in (first, second, full):
        health.begin(fault)
    health.end(first, 5.0)
    assert health.well_since("n0", "n1") is None
    health.end(second, 5.5)
    assert health.well_since("n0", "n1") == 6.0, "a stream needs up to a second to notice that its road is open"
    assert health.well_since("n1", "n2") == 5.5
    health.end(full, 7.0)
    assert health.well_since("n3", "n0") == 17.0, "a node looks every 10 s whether there is room"


LONG = 3_000.0
IDLE = Fault(Kind.IDLE, 1.0, LONG, ("n1",))
# When its process starts anew it has messages that no call waits for, so nobody breaks the link to a peer that is BUSY.
KILLED = Fault(Kind.KILL, 59.5, 0.1, ("n0",))
BOUND_S = 6.0  # On a link in this plan, and until somebody looks.
REDIALLED_S = 38.0


def broken(*weather: Fault, think_s: float = 0.0) -> list[tuple[float, str]]:
    """Run two nodes for a minute, and then until all is well; return what InTime says, and when."""
    load = Load(period_s=2.0, think_s=think_s)
    plan = Plan(2, weather, (InTime,), load=load, calm_s=200.0, inbox_limit=1, retry_interval_s=1.0)
    world = World(1, plan)
    world.run()
    return [(one.at, one.text) for one in world.violations]


@pytest.mark.parametrize(
    "weather",
    [
        (),
        (Fault(Kind.PARTITION, 5.0, LONG, ("n0",)),),
        (Fault(Kind.FREEZE, 5.0, LONG, ("n1",)),),
        (Fault(Kind.STOP, 5.0, LONG, ("n1",)),),
        (Fault(Kind.DELAY, 8.0, 2.0, ("n0", "n1"), 60.0),),
        (Fault(Kind.FORGET, 10.0, 0.0, ("n0", "n1")),),
        (IDLE, KILLED),
    ],
)
def test_what_has_a_reason_to_wait_may(weather: Weather) -> None:
    assert broken(*weather) == []


def test_a_slow_reader_is_a_reason_to_wait() -> None:
    assert broken(think_s=30.0) == []


def test_a_message_that_stays_behind_on_a_link_is_noticed() -> None:
    with planted("busy_for_ever"):
        ((at, text),) = broken(IDLE, KILLED)
    assert "on a link, and nothing is in its way" in text
    assert 69.0 + BOUND_S <= at < 71.0 + BOUND_S, "its stream is as old as a greeting may become by then"


@pytest.mark.parametrize(("blips", "since"), [((), 29.6), ((Fault(Kind.JAM, 33.3, 0.2, ("n0", "n1")),), 34.5)])
def test_a_fault_between_two_looks_counts_too(blips: Weather, since: float) -> None:
    idle, killed = Fault(Kind.IDLE, 1.0, 19.0, ("n1",)), Fault(Kind.KILL, 19.5, 0.1, ("n0",))
    with planted("busy_for_ever"):
        ((at, _),) = broken(idle, killed, *blips)
    assert since + 5.4 <= at < since + 8.0


def test_what_waited_for_a_reader_waits_anew_once_there_is_room() -> None:
    with planted("busy_for_ever"):
        ((at, text),) = broken(think_s=20.0)
    assert "on a link, and nothing is in its way" in text
    assert 20.0 + BOUND_S <= at < 24.0 + BOUND_S, "the first message is done after 20 s"


def test_a_message_for_which_no_link_is_made_is_noticed() -> None:
    with planted("redial_gives_up"):
        ((at, text),) = broken(Fault(Kind.STOP, 3.0, LONG, ("n1",)))
    assert "for a link, and nothing is in its way" in text
    assert 60.0 + REDIALLED_S <= at < 64.0 + REDIALLED_S


def test_a_dead_link_that_nobody_gives_up_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    weather = (IDLE, KILLED, Fault(Kind.FORGET, 59.95, 0.0, ("n0", "n1")))
    assert broken(*weather) == []
    monkeypatch.setattr("talos.services.links.DEAD_S", inf)
    ((at, text),) = broken(*weather)
    assert "on a link that is dead" in text
    assert 180.0 <= at < 184.0


def test_between_nodes_that_do_not_run_all_is_not_well() -> None:
    world = World(1, Plan(nodes=2, weather=()))
    assert world.well_since("n0", "n1") is None
    world.machines["n0"].is_rotten = True
    world.run()
    assert world.well_since("n0", "n1") is None


CONTROL, MESSAGE, BULK = Frame.CONTROL, Frame.MESSAGE, Frame.BULK


class Wire:
    """One end of a stream, and all that is sealed for it."""

    def __init__(self) -> None:
        self._suite = WatchedSuite()
        self._lanes = Lanes()
        self._keys = 0

    def seal(self, kind: Frame, size: int = 40) -> bytes:
        self._keys += 1
        cipher = self._suite.seal_aead(self._keys.to_bytes(32, "big"))
        frame = bytes((kind,)) + cipher.encrypt(bytes(12), bytes(size), b"")
        return len(frame).to_bytes(LENGTH_SIZE, "big") + frame

    def write(self, *frames: bytes) -> str | None:
        return self._suite.went_out(b"".join(frames), self._lanes)


@pytest.mark.parametrize(("first", "second"), list(product((CONTROL, MESSAGE, BULK), repeat=2)))
def test_in_one_write_a_lane_comes_behind_those_above_it(first: Frame, second: Frame) -> None:
    wire = Wire()
    frames = [wire.seal(kind) for kind in (second, first)][::-1]  # The other way round, so that only the write counts.
    assert (wire.write(*frames) is not None) == (second < first)


@pytest.mark.parametrize(("kind", "is_late"), [(MESSAGE, True), (BULK, True), (CONTROL, False)])
def test_what_is_sealed_after_a_control_frame_is_written_after_it(kind: Frame, is_late: bool) -> None:
    wire = Wire()
    control, other = wire.seal(CONTROL), wire.seal(kind)
    assert wire.write(other) is None
    assert (wire.write(control) is not None) == is_late


def test_a_stored_frame_that_is_sent_again_may_come_at_any_time() -> None:
    wire = Wire()
    stored, control = wire.seal(MESSAGE), wire.seal(CONTROL)
    assert wire.write(control, stored) is None
    assert wire.write(wire.seal(MESSAGE)) is None
    assert wire.write(stored) is None
    assert wire.write(wire.seal(CONTROL)) is None


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 30, 99])
def test_a_frame_that_is_written_in_two_pieces_counts_where_it_ends(cut: int) -> None:
    wire = Wire()
    control, piece = wire.seal(CONTROL), wire.seal(BULK, 100)
    assert wire.write(piece[:cut]) is None
    told = wire.write(piece[cut:] + control)
    assert told == "a control frame is written behind a bulk piece, at once with it"
    assert wire.write(wire.seal(MESSAGE)) is None


def test_greetings_have_no_turn() -> None:
    wire = Wire()
    assert wire.write(wire.seal(MESSAGE), wire.seal(Frame.SEALED)) is None
