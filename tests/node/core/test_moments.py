"""Moments as text, against Python's own calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from talos.core.keylog_kinds import TIME_MS_MAX
from talos.core.moments import utc_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MS = int((datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - EPOCH).total_seconds()) * 1000


@given(st.integers(0, LAST_MS))
@example(0)
@example(951_782_400_000)  # 2000-02-29: a century that has a leap day.
@example(951_868_799_999)
@example(4_107_542_400_000)  # 2100-03-01: one that has none.
@example(LAST_MS)
def test_a_moment_is_the_one_that_the_calendar_has(ms: int) -> None:
    moment = EPOCH + timedelta(seconds=ms // 1000)
    assert utc_text(ms) == moment.isoformat().replace("+00:00", "Z")


def test_the_last_moment_that_a_key_log_can_have_is_one() -> None:
    assert utc_text(TIME_MS_MAX) == "10889-08-02T05:31:50Z"
