"""Keys of messages that were passed over, kept until the message comes or seven days are gone.

Source: Signal, "The Double Ratchet Algorithm", sections 2.6 and 8.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from struct import Struct
from typing import Final

from talos_ratchet.errors import Malformed, TooFarAhead

JUMP_MAX: Final = 1_000  # Messages passed over by one frame: at 1.5 us each, what one frame can cost us.
LATE_KEYS_MAX: Final = 2_000  # Keys kept per lane: 80 kB.
LATE_KEY_LIFE_MS: Final = 7 * 24 * 3_600_000  # As long as mail may be under way; after that its secrecy counts more.

Place = tuple[int, int]  # (number of the receiving chain, number of the message), both u32.

_ROW: Final = Struct(">32sQ")


class LateKeys:
    """The passed-over keys of one lane, in the order in which they were passed over."""

    __slots__ = ("_oldest_ms", "changed", "kept")

    def __init__(self) -> None:
        self.kept: dict[Place, tuple[bytes, int]] = {}  # place -> key 32, kept since (ms UTC). Read only.
        self.changed: set[Place] = set()  # Whose rows are to be written. Read only.
        self._oldest_ms: float = inf  # None is kept since before that; perhaps since later, for that one is gone.

    def expired(self, now_ms: int) -> list[Place]:
        """Return the places whose keys have outlived their time; all are looked at, for a clock may be set back.

        But none while the oldest has not: this is asked for each frame.
        """
        if not self.kept or not is_past(self._oldest_ms, now_ms):
            return []
        self._oldest_ms = min(kept_ms for _, kept_ms in self.kept.values())
        return [place for place, (_, kept_ms) in self.kept.items() if is_past(kept_ms, now_ms)]

    def of_chain(self, chain: int) -> list[Place]:
        return [place for place in self.kept if place[0] == chain]

    def check_room(self, jump: int, second: int, *, leaving: int) -> None:
        """Raises `TooFarAhead` if either jump is too wide, or the keys do not fit when `leaving` are gone."""
        if jump > JUMP_MAX or second > JUMP_MAX:
            raise TooFarAhead(f"a frame passes over {max(jump, second)} messages; at most {JUMP_MAX}")
        kept, asked = len(self.kept) - leaving, jump + second
        if kept + asked > LATE_KEYS_MAX:
            raise TooFarAhead(f"{kept} keys are kept and a frame asks for {asked} more; at most {LATE_KEYS_MAX}")

    def put(self, passed: Mapping[Place, bytes], kept_ms: int, most: int) -> None:
        """Keep the keys of what was passed over; of all that are kept, the newest `most`."""
        over = len(self.kept) + len(passed) - most
        for place in list(self.kept)[: max(0, over)]:
            self.drop(place)
        self._oldest_ms = min(self._oldest_ms, kept_ms)
        for place in list(passed)[-most:]:
            self.kept[place] = (passed[place], kept_ms)
            self.changed.add(place)

    def drop(self, place: Place) -> None:
        del self.kept[place]
        self.changed.add(place)

    def changes(self) -> list[tuple[Place, bytes | None]]:
        """Return the rows changed since the last call: key 32 | kept since 8, or None if it is gone."""
        places, self.changed = sorted(self.changed), set()
        return [(place, self._row(place)) for place in places]

    def rows(self) -> list[tuple[Place, bytes | None]]:
        return [(place, self._row(place)) for place in self.kept]

    def load(self, rows: list[tuple[Place, bytes]]) -> None:
        """Fill an empty store. Raises `Malformed`."""
        loaded = []
        for place, raw in rows:
            if len(raw) != _ROW.size:
                raise Malformed(f"a late key's row has {_ROW.size} bytes, not {len(raw)}")
            key, kept_ms = _ROW.unpack(raw)
            loaded.append((kept_ms, place, key))
            self._oldest_ms = min(self._oldest_ms, kept_ms)
        for kept_ms, place, key in sorted(loaded):
            self.kept[place] = (key, kept_ms)

    def _row(self, place: Place) -> bytes | None:
        kept = self.kept.get(place)
        return None if kept is None else _ROW.pack(*kept)


def is_past(kept_ms: float, now_ms: int) -> bool:
    return now_ms - kept_ms > LATE_KEY_LIFE_MS
