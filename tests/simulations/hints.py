"""Seeds of chaos that found each planted bug when this was written: they are tried first."""

from __future__ import annotations

from typing import Final

HINTS: Final[dict[str, tuple[int, ...]]] = {
    "ack_before_commit": (10, 22, 12),
    "built_on_sand": (5, 33),
    "deleted_when_handed_out": (6, 12, 13),
    "done_and_not_deleted": (8, 5, 2),
    "effects_before_commit": (5, 22, 4),
    "entries_written_after": (10, 6, 12),
    "gaps_written_down": (18, 5, 13),
    "given_up_for_certain": (31, 20),
    "index_forgets": (1, 6, 5),
    "mark_in_memory_only": (27, 18, 31),
    "memory_stays_ahead": (17, 7, 18),
    "number_used_twice": (24, 31, 27),
    "queue_takes_one_more": (9, 10, 1),
    "ratchet_kept_for_later": (28, 11),
    "redial_gives_up": (27, 10, 22),
    "resumes_behind_the_loss": (22, 31, 6),
    "sealed_without_a_trace": (7, 9, 10),
    "send_before_commit": (17, 7, 5),
    "stored_frame_forgotten": (31, 24, 27),
    "tag_not_checked": (30, 1, 24),
    "void_run_shrinks": (9, 5, 20),
}
