"""Each check that watches applications says so when its promise is broken, and only then."""

from __future__ import annotations

import pytest

from talos.core.step import Put
from talos.core.tables import ENTRIES
from talos.services.peer import Peer
from talos_simulations.application import CARGO_SIZE, Application, Load
from talos_simulations.books import Act
from talos_simulations.check import Check
from talos_simulations.checks import ALL, ComesToRest, LogOnlyGrows, LogTellsAll, WithinBounds
from talos_simulations.process import Process
from talos_simulations.world import Plan, World

Told = tuple[Act, int]


def told(*acts: Told) -> list[str]:
    """Return the checks that are broken when n0 and n1 see these acts, with the messages of these numbers."""
    world = World(1, Plan(nodes=2, weather=()))
    for act, number in acts:
        world.books.write(act, "n0", "n1", number, seq=number)
    return [violation.check for violation in world.violations]


TRIED = [(Act.TRIED, 0)] * 3


def test_what_ought_to_happen_breaks_nothing() -> None:
    acts = [step for number in (1, 2, 3) for step in ((Act.ACCEPTED, number), (Act.HANDED, number), (Act.DONE, number))]
    assert told(*TRIED, *acts) == []


def test_a_message_may_be_handed_out_again_until_it_is_done() -> None:
    again = (Act.HANDED, 1)
    assert told(*TRIED, again, again, (Act.HANDED, 2), again) == []
    assert told(*TRIED, again, (Act.DONE, 1), again) == ["NothingTwice"]


@pytest.mark.parametrize(
    "acts",
    [
        pytest.param([(Act.HANDED, 4)], id="a number that was never sent"),
        pytest.param([(Act.HANDED, 0)], id="no number"),
        pytest.param([(Act.REFUSED, 1), (Act.HANDED, 1)], id="what was refused"),
        pytest.param([(Act.GARBLED, 0)], id="what nobody sent"),
    ],
)
def test_what_was_not_sent_and_is_handed_out_is_invented(acts: list[Told]) -> None:
    assert told(*TRIED, *acts) == ["NothingInvented"]


def test_an_older_message_after_a_newer_one_is_out_of_order() -> None:
    assert told(*TRIED, (Act.HANDED, 1), (Act.HANDED, 3), (Act.HANDED, 2)) == ["InOrder"]


def test_a_key_that_seals_two_frames_which_go_out_is_reused() -> None:
    world = World(1, Plan(nodes=2, weather=()))
    sealed = [world.suite.seal_aead(bytes(32)).encrypt(bytes(12), body, b"") for body in (b"one", b"two")]

    def goes_out(frame: bytes) -> None:
        world.suite.went_out(len(frame).to_bytes(4, "big") + frame)

    goes_out(sealed[0])
    goes_out(sealed[0])
    assert not world.violations, "the same frame may be sent again"
    goes_out(sealed[1])
    assert [violation.check for violation in world.violations] == ["NoKeyReused"]


def test_what_a_peer_was_shown_of_a_log_is_held_against_it() -> None:
    world = World(1, Plan(nodes=2, weather=(), load=Load(asking=0.5)))
    world.run()
    assert world.books.notes_of("n0")
    assert world.books.notes_of("n1")
    assert concluded(world, LogOnlyGrows) == []
    world.books.shown("n1", world.books.notes_of("n0")[-1].decode())
    (text,) = concluded(world, LogOnlyGrows)
    assert text.startswith("the log of n1: ")


def test_a_long_reply_that_is_not_what_was_answered_is_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[str]:
        world = World(1, Plan(nodes=2, weather=(), load=Load(fetching=0.5), storm_s=10.0))
        world.run()
        return [violation.check for violation in world.violations]

    async def other(self: Application, peer: Peer, body: bytes) -> bytes:
        return bytes(CARGO_SIZE)

    assert broken() == []
    monkeypatch.setattr(Application, "_serve", other)
    assert broken() == ["NothingInvented"]


def test_only_what_is_demanded_breaks_a_run() -> None:
    world = World(1, Plan(nodes=2, weather=(), demanded=ALL[1:], reported=ALL[:1]))
    world.happened(ALL[0].__name__, "told")
    assert (len(world.reports), len(world.violations)) == (1, 0)
    world.happened(ALL[1].__name__, "broken")
    assert len(world.violations) == 1


def test_a_receipt_for_what_the_receiver_does_not_have_is_noticed() -> None:
    assert told(*TRIED, (Act.ACCEPTED, 1), (Act.DELIVERED, 1)) == ["DeliveredIsThere"]


def test_what_comes_again_after_a_restart_must_be_marked() -> None:
    world = World(1, Plan(nodes=2, weather=()))

    def handed(*, redelivered: bool = False) -> list[str]:
        world.books.write(Act.HANDED, "n0", "n1", 1, redelivered=redelivered)
        return [violation.check for violation in world.violations]

    world.books.write(Act.TRIED, "n0", "n1")
    assert handed() == handed() == []
    world.machines["n1"].process = Process(world.machines["n1"])
    assert handed(redelivered=True) == []
    world.machines["n1"].process = Process(world.machines["n1"])
    assert handed() == ["RepeatsAreTold"]


def concluded(world: World, check: type[Check]) -> list[str]:
    return [text for one in world.checks if type(one) is check for text in one.concludes()]


def test_a_run_that_does_not_come_to_rest_breaks_a_promise() -> None:
    world = World(1, Plan(nodes=2, weather=()))
    assert concluded(world, ComesToRest) == [
        "240 s after all was well, something still waits, for an application or for a peer"
    ]
    world.run()
    assert concluded(world, ComesToRest) == []


def test_a_node_that_does_not_stop_breaks_a_promise() -> None:
    world = World(1, Plan(nodes=2, weather=()))
    assert concluded(world, WithinBounds) == []
    world.still_running = ("n1",)
    assert concluded(world, WithinBounds) == ["n1 was asked to stop 60 s ago, and runs"]


def test_a_log_that_cannot_be_read_is_told_as_that() -> None:
    world = World(1, Plan(nodes=2, weather=()))
    world.run()
    assert concluded(world, LogTellsAll) == []
    rows = world.machines["n1"].state.rows
    rows.commit([Put(ENTRIES, key, value[:-1]) for key, value in rows.scan(ENTRIES)])
    (text,) = concluded(world, LogTellsAll)
    assert text.startswith("the log of n1 cannot be read: ")
