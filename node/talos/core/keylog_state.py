"""What a key log has led to: the phases of an identity and of its instances, as tables, and the state.

The state is a function of the events alone. Whatever depends on the hour is asked with `now_ms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from talos.core.keylog_kinds import BrokenKeyLog, Quorum, Role


class Phase(Enum):
    """Of an identity. `none` and `recovering` belong to a node: they are no state of a log."""

    PROVISIONED = auto()  # It exists; no instance has been certified yet.
    ACTIVE = auto()
    ROTATING = auto()  # A migration window is open: the old key's signatures still count.
    FROZEN = auto()  # Two of it were seen. Nothing counts until a thaw or a revocation.
    REVOKED = auto()  # For ever.


class Move(Enum):
    CERTIFIED = auto()  # An instance was certified.
    SET = auto()  # Controllers, witnesses, voters or governor.
    ROTATED = auto()  # The old key ended at once.
    MIGRATED = auto()  # The old key ends with the window.
    WINDOW_ENDED = auto()
    LEFT = auto()  # An instance was retired.
    CLONED = auto()  # An instance was suspended, another still runs.
    LAST_CLONED = auto()  # An instance was suspended, and there is no other.
    FORKED = auto()  # Two rank-1 branches exist.
    THAWED = auto()
    REVOKED = auto()


def _living(phase: Phase) -> dict[tuple[Phase, Move], Phase]:
    return {
        (phase, Move.CERTIFIED): phase,
        (phase, Move.SET): phase,
        (phase, Move.ROTATED): Phase.ACTIVE,
        (phase, Move.MIGRATED): Phase.ROTATING,
        (phase, Move.LEFT): phase,
        (phase, Move.CLONED): phase,
        (phase, Move.LAST_CLONED): Phase.FROZEN,
        (phase, Move.FORKED): Phase.FROZEN,
        (phase, Move.THAWED): Phase.ACTIVE,  # Only where it names rivals, which this line cannot know of.
        (phase, Move.REVOKED): Phase.REVOKED,
    }


# Every legal move of an identity.
NEXT: Final[Mapping[tuple[Phase, Move], Phase]] = {
    (Phase.PROVISIONED, Move.CERTIFIED): Phase.ACTIVE,
    (Phase.PROVISIONED, Move.SET): Phase.PROVISIONED,
    (Phase.PROVISIONED, Move.ROTATED): Phase.PROVISIONED,
    (Phase.PROVISIONED, Move.MIGRATED): Phase.PROVISIONED,  # There is nothing yet that could migrate.
    (Phase.PROVISIONED, Move.FORKED): Phase.FROZEN,
    (Phase.PROVISIONED, Move.THAWED): Phase.PROVISIONED,
    (Phase.PROVISIONED, Move.REVOKED): Phase.REVOKED,
    **_living(Phase.ACTIVE),
    **_living(Phase.ROTATING),
    (Phase.ROTATING, Move.WINDOW_ENDED): Phase.ACTIVE,
    (Phase.FROZEN, Move.FORKED): Phase.FROZEN,
    (Phase.FROZEN, Move.THAWED): Phase.ACTIVE,
    (Phase.FROZEN, Move.REVOKED): Phase.REVOKED,
}


class Standing(Enum):
    """Of an instance."""

    ACTIVE = auto()
    SUSPENDED = auto()  # Cloned, or named by two branches that cannot both be true.
    RETIRED = auto()  # For ever.


class Fate(Enum):
    RENEWED = auto()
    KEPT = auto()  # Named as surviving by a rotation or a thaw.
    DROPPED = auto()  # Not named.
    LEFT = auto()
    CLONED = auto()
    DISPUTED = auto()  # Named in the diverging part of a rank-2 branch.


# Every legal move of an instance.
FATES: Final[Mapping[tuple[Standing, Fate], Standing]] = {
    (Standing.ACTIVE, Fate.RENEWED): Standing.ACTIVE,
    (Standing.ACTIVE, Fate.KEPT): Standing.ACTIVE,
    (Standing.ACTIVE, Fate.DROPPED): Standing.RETIRED,
    (Standing.ACTIVE, Fate.LEFT): Standing.RETIRED,
    (Standing.ACTIVE, Fate.CLONED): Standing.SUSPENDED,
    (Standing.ACTIVE, Fate.DISPUTED): Standing.SUSPENDED,
    (Standing.SUSPENDED, Fate.KEPT): Standing.ACTIVE,
    (Standing.SUSPENDED, Fate.DROPPED): Standing.RETIRED,
    (Standing.SUSPENDED, Fate.LEFT): Standing.RETIRED,
    (Standing.SUSPENDED, Fate.DISPUTED): Standing.SUSPENDED,
    (Standing.RETIRED, Fate.DROPPED): Standing.RETIRED,
    (Standing.RETIRED, Fate.DISPUTED): Standing.RETIRED,
}


@dataclass(frozen=True, slots=True)
class Certified:
    """An instance, as the log has it."""

    id: bytes
    ed25519: bytes
    x25519: bytes
    role: Role
    until_ms: int  # ms UTC: not_after, or the end of the window in which it leaves.
    standing: Standing = Standing.ACTIVE

    def after(self, fate: Fate) -> Certified:
        """Raises `BrokenKeyLog` for a move that is not in the table."""
        standing = FATES.get((self.standing, fate))
        if standing is None:
            raise BrokenKeyLog(f"instance {self.id.hex()[:8]}: {fate.name} while {self.standing.name}")
        return replace(self, standing=standing)

    def is_active(self, now_ms: int) -> bool:
        return self.standing is Standing.ACTIVE and now_ms < self.until_ms


@dataclass(frozen=True, slots=True)
class OldKey:
    """It signs nothing new; what it signed before counts until its end."""

    key: bytes
    ends_ms: int  # ms UTC.


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    did: bytes  # DID hash.
    seq: int  # Of the newest event.
    digest: bytes  # Of the newest event.
    time_ms: int  # Of the newest event.
    phase: Phase
    key: bytes  # The current key, which signs rank 2, party records, grants.
    next_commitment: bytes
    controllers: Quorum
    witnesses: Quorum
    voters: tuple[bytes, ...]
    governor: bytes  # A commitment, or empty.
    old_keys: tuple[OldKey, ...] = ()  # Newest first.
    window_ends_ms: int = 0  # Of the rotation that `ROTATING` stands for.
    instances: Mapping[bytes, Certified]  # By id; retired ones too, for their keys never come back.
    rank_1_count: int
    size: int  # Bytes of the events, encoded.

    def moved(self, move: Move) -> Phase:
        """Return the phase after `move`. Raises `BrokenKeyLog` for one that is not in the table."""
        phase = NEXT.get((self.phase, move))
        if phase is None:
            raise BrokenKeyLog(f"event {self.seq + 1}: {move.name} while {self.phase.name}")
        return phase

    def phase_at(self, now_ms: int) -> Phase:
        is_over = self.phase is Phase.ROTATING and now_ms >= self.window_ends_ms
        return self.moved(Move.WINDOW_ENDED) if is_over else self.phase

    def is_usable(self) -> bool:
        """Say whether anything this identity signs may count."""
        return self.phase not in (Phase.FROZEN, Phase.REVOKED)

    def counts(self, key: bytes, now_ms: int) -> bool:
        """Say whether earlier signatures of `key` still count: it is current, or old and not yet ended."""
        return key == self.key or any(old.key == key and now_ms < old.ends_ms for old in self.old_keys)

    def active_instances(self, now_ms: int) -> list[Certified]:
        return [one for one in self.instances.values() if one.is_active(now_ms)]
