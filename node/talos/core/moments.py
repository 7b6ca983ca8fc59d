"""Moments as text, without a clock or a calendar of the system's."""

from __future__ import annotations

from typing import Final

DAY_S: Final = 86_400
DAYS_TO_MARCH_0: Final = 719_468  # From 1 March of year 0 to 1 January 1970.
ERA_DAYS: Final = 146_097  # 400 years, after which the calendar repeats itself.


def utc_text(ms: int) -> str:
    """Return a moment, in ms since 1970 and not before, as "2023-11-14T22:13:20Z": what is below a second is dropped.

    Source: XML Schema 1.1 part 2, dateTime. Years begin in March here, so that the leap day is their last.
    """
    days, second = divmod(ms // 1000, DAY_S)
    era, day = divmod(days + DAYS_TO_MARCH_0, ERA_DAYS)
    year = (day - day // 1460 + day // 36_524 - day // (ERA_DAYS - 1)) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153  # 0: March. Five months have 153 days, over and over.
    day -= (153 * month + 2) // 5
    year += 400 * era + (month >= 10)
    month = month - 9 if month >= 10 else month + 3
    return f"{year:04}-{month:02}-{day + 1:02}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
