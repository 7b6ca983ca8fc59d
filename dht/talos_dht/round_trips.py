"""How long to wait for an answer before asking again: measured, as TCP does.

One measure for all contacts, because most of those whom a lookup asks were never asked before.
Source: RFC 6298, section 2; no sample from a request that was sent again, section 3 (Karn).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WAIT_FIRST_MS: Final = 1_000  # Before anything was measured: RFC 6298, section 2.1.
WAIT_LEAST_MS: Final = 100  # On one host answers come in under a millisecond, but a busy one pauses for longer.
WAIT_MOST_MS: Final = 1_500  # Beyond it a lookup does better without.


@dataclass(slots=True)
class RoundTrips:
    _smooth_ms: float = 0.0
    _varies_ms: float = 0.0
    wait_ms: int = WAIT_FIRST_MS

    def measured(self, took_ms: int) -> None:
        if not self._smooth_ms:
            self._smooth_ms, self._varies_ms = max(took_ms, 1.0), took_ms / 2
        else:
            self._varies_ms += (abs(self._smooth_ms - took_ms) - self._varies_ms) / 4
            self._smooth_ms += (took_ms - self._smooth_ms) / 8
        self.wait_ms = round(min(max(self._smooth_ms + 4 * self._varies_ms, WAIT_LEAST_MS), WAIT_MOST_MS))
