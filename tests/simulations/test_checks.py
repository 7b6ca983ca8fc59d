"""Each check that watches applications says so when its promise is broken, and only then."""

from __future__ import annotations

import pytest

from talos_simulations.books import Act
from talos_simulations.checks import ALL
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


def test_only_what_is_demanded_breaks_a_run() -> None:
    world = World(1, Plan(nodes=2, weather=(), demanded=ALL[1:], reported=ALL[:1]))
    world.happened(ALL[0].__name__, "told")
    assert (len(world.reports), len(world.violations)) == (1, 0)
    world.happened(ALL[1].__name__, "broken")
    assert len(world.violations) == 1
