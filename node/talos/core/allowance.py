"""What one peer may make us do in a minute, once it has proved who it is: beyond that its link is closed.

An honest peer comes nowhere near any of these. One that goes over pays with greetings too, so that coming back at once
does not give it a new allowance: it has to wait.

A bucket is one number, when it will be full again, as in `talos.core.budgets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, auto
from typing import Final

from talos.core.budgets import MINUTE_MS, OverBudget

BREACH_GREETINGS: Final = 10  # What going over costs, in greetings: the third time in a minute keeps a peer out.


class Deed(IntEnum):  # Counted for each frame that is turned down; the hash of a plain Enum costs as much as the count.
    """What a peer makes us do."""

    GREETING = auto()  # Bind a link: a commit, all that is undelivered sent again. An honest peer dials once a second.
    REFUSED = auto()  # A frame that is not taken: ten links in a minute may each repeat a whole window of 64.
    RESENT = auto()  # A message frame sent again because the peer says so; each one acknowledged gives one back.
    PASSED_OVER = auto()  # A message key derived for a frame that is not the next: 1.5 us each, 1,000 in one frame.
    REQUEST = auto()  # A request or a cancel: a task, and an answer of up to 1 MiB.
    PING = auto()  # An answer and a commit. An honest peer asks after 30 s of silence.
    OPEN = auto()  # A frame that says nothing: two on a new link.


ALLOWED: Final[Mapping[Deed, int]] = {  # In a minute, and as many at once.
    Deed.GREETING: 30,
    Deed.REFUSED: 600,
    Deed.RESENT: 4_000,
    Deed.PASSED_OVER: 10_000,
    Deed.REQUEST: 600,
    Deed.PING: 60,
    Deed.OPEN: 120,
}


class Allowance:
    """Of one peer, for as long as the node remembers its conversation. Times are ms on the monotonic clock."""

    __slots__ = ("_full_at",)

    def __init__(self) -> None:
        self._full_at: dict[Deed, int] = {}

    def has(self, deed: Deed, now_ms: int) -> bool:
        """Say whether one more would be allowed."""
        return self._after(deed, 1, now_ms) <= now_ms + MINUTE_MS

    def charge(self, deed: Deed, now_ms: int, times: int = 1) -> None:
        """Count what the peer made us do. Raises `OverBudget` once it is too much; close the link."""
        after, most = self._after(deed, times, now_ms), now_ms + MINUTE_MS
        self._full_at[deed] = after if after <= most else most
        if after > most:
            cost = self._after(Deed.GREETING, BREACH_GREETINGS, now_ms)
            self._full_at[Deed.GREETING] = min(cost, most)
            raise OverBudget(f"more than {ALLOWED[deed]} {deed.name} in a minute")

    def give_back(self, deed: Deed, times: int) -> None:
        """So much of it has come to something."""
        if deed in self._full_at:
            self._full_at[deed] -= times * MINUTE_MS // ALLOWED[deed]

    def _after(self, deed: Deed, times: int, now_ms: int) -> int:
        return max(self._full_at.get(deed, now_ms), now_ms) + times * MINUTE_MS // ALLOWED[deed]
