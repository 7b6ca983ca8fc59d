"""Seeds of its scenario that found each planted bug when this was written: they are tried first."""

from __future__ import annotations

from typing import Final

HINTS: Final[dict[str, tuple[int, ...]]] = {
    "ack_before_commit": (22, 12),
    "built_on_sand": (1, 21),
    "busy_for_ever": (1, 2),
    "control_written_last": (1, 2),
    "deleted_when_handed_out": (9, 19),
    "delivered_when_sent": (1, 2),
    "done_and_not_deleted": (8, 5),
    "effects_before_commit": (22, 6),
    "entries_written_after": (6, 12),
    "gaps_written_down": (4, 8),
    "given_up_for_certain": (11, 12),
    "greeted_for_ever": (3, 4),
    "inbox_room_leaks": (1, 2),
    "inbox_stays_ahead": (23, 31),
    "index_forgets": (1, 6),
    "lost_session_kept": (10, 64),
    "mark_in_memory_only": (27, 18),
    "memory_stays_ahead": (18, 23),
    "never_redelivered": (6, 9),
    "number_used_twice": (24, 31),
    "older_one_held": (4, 6),
    "queue_takes_one_more": (9, 10),
    "ratchet_kept_for_later": (47, 10),
    "redial_gives_up": (27, 22),
    "resumes_behind_the_loss": (22, 31),
    "sealed_without_a_trace": (7, 9),
    "send_before_commit": (6, 13),
    "sent_counts_as_delivered": (1, 2),
    "signature_not_checked": (2, 3),
    "stored_frame_forgotten": (1, 2),
    "tag_not_checked": (15, 21),
    "token_not_looked_at": (4, 1),
    "void_run_shrinks": (9, 20),
    "waited_for_for_ever": (2, 4),
}
