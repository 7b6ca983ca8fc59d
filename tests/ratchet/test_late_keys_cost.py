"""What kept keys cost the frames that come after them: nothing, as long as none of them has outlived its time."""

from __future__ import annotations

from typing import Any

import pytest

from talos_ratchet import LATE_KEY_LIFE_MS, Lane, Session
from talos_ratchet.late import Place
from tests.ratchet.people import DAY_MS, NOW_MS, deliver, dice, reload, sessions

ENTROPY = dice("late cost")


class Watched(dict[Place, tuple[bytes, int]]):
    """Late keys that count how often all of them are looked at."""

    looks = 0

    def items(self) -> Any:
        self.looks += 1
        return super().items()


def watched(session: Session) -> Watched:
    ratchet = session.lanes[Lane.MESSAGE]
    assert ratchet is not None
    kept = ratchet.late.kept = Watched(ratchet.late.kept)
    return kept


def two_lost() -> tuple[Session, Session]:
    """Return two ends; one key is kept since a day from now, and one, by a clock that was set back, since now."""
    alice, bob = sessions()
    for now_ms in (NOW_MS + DAY_MS, NOW_MS):
        alice.seal(Lane.MESSAGE, b"lost", entropy=ENTROPY)
        deliver(bob, Lane.MESSAGE, alice.seal(Lane.MESSAGE, b"", entropy=ENTROPY), now_ms)
    return alice, bob


@pytest.mark.parametrize("restarted", [False, True])
def test_kept_keys_are_not_looked_at_for_each_frame_that_comes_after(restarted: bool) -> None:
    alice, bob = two_lost()
    end = reload(bob) if restarted else bob
    kept = watched(end)
    for _ in range(100):
        deliver(end, Lane.MESSAGE, alice.seal(Lane.MESSAGE, b"", entropy=ENTROPY), NOW_MS + LATE_KEY_LIFE_MS)
    assert (kept.looks, len(kept)) == (0, 2)


def test_each_key_goes_in_its_own_time_though_a_clock_was_set_back() -> None:
    _, bob = two_lost()
    for end in (bob, reload(bob)):
        kept = watched(end)
        for left, kept_ms in ((1, NOW_MS), (0, NOW_MS + DAY_MS)):
            assert end.expire(kept_ms + LATE_KEY_LIFE_MS) == 0
            assert end.expire(kept_ms + LATE_KEY_LIFE_MS + 1) == 1
            assert len(kept) == left
