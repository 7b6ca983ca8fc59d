"""When something happens, on two clocks."""

from __future__ import annotations

from typing import NamedTuple


class Now(NamedTuple):
    mono_ms: int  # For all that waits: it never jumps.
    utc_ms: int  # For what others have signed.
