"""What a node holds for others, and for whom there is room.

Nothing comes in unchecked: `Server` has done that. Each limit is looked at before anything changes; beyond all of them
what lies farthest from our own id goes first, because for that others are answerable. No step walks over all rows.

    row       place 20 | did 32 -> 00 | record, or 01 | provider
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from talos_dht.contact import ID_SIZE, number_of
from talos_dht.errors import NoRoom, Outdated
from talos_dht.moment import Now
from talos_dht.provider import Provider
from talos_dht.record import Record
from talos_dht.statement import rank

ROWS_MAX: Final = 10_000  # Records and providers: 10 MB at most.
PER_PUBLISHER_MAX: Final = 19  # Its record at three places, and 16 topics.
PER_NETWORK_MAX: Final = 512  # Rows that came from one /24 or /48: a twentieth of all.
SPARE_ENDS: Final = 64  # Beside twice the rows: how many times of rows that were written over are kept.
PER_TOPIC_MAX: Final = 20  # Providers of one topic.

Held: TypeAlias = Record | Provider
Rows: TypeAlias = MutableMapping[bytes, bytes]
"""Where rows are kept: a dict, or a driver's table."""


@dataclass(frozen=True, slots=True)
class _Row:
    held: Held
    until_ms: int  # On the monotonic clock.
    network: bytes | None  # Where it came from.


class Shelf:
    """`rows` may hold what was kept before; what has expired since goes."""

    def __init__(self, own_id: bytes, rows: Rows, now: Now) -> None:
        self._own = number_of(own_id)
        self._kept = rows
        self._rows: dict[bytes, _Row] = {}
        self._at: dict[bytes, list[bytes]] = {}  # Place -> names of rows.
        self._far = list[tuple[int, bytes]]()  # Distance and name, nearest first.
        self._ends = list[tuple[int, bytes]]()  # A heap: when, and name.
        self._publishers = Counter[bytes]()
        self._networks = Counter[bytes]()
        for name, raw in list(rows.items()):
            held = Provider.decode(raw[1:]) if raw[0] else Record.decode(raw[1:])
            self._write(name, _Row(held, _until_ms(held, now), None))
        self.expire(now.mono_ms)

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, place: bytes, now_ms: int) -> list[Held]:
        """Return what is held there: a record, or the providers of a topic."""
        rows = (self._rows[name] for name in self._at.get(place, ()))
        return [row.held for row in rows if row.until_ms > now_ms]

    def put(self, place: bytes, held: Held, network: bytes | None, now: Now) -> None:
        """Hold a checked statement that came from `network`. Raises `Outdated` or `NoRoom`: nothing changed."""
        self.expire(now.mono_ms)
        name = place + held.did
        old = self._rows.get(name)
        # A row stays its network's: else a number more would move it out of one share, and room would be for others.
        row = _Row(held, _until_ms(held, now), (old and old.network) or network)
        if old is None:
            self._make_room(place, row)
        elif rank(held) < rank(old.held):
            raise Outdated(f"number {old.held.seq} at event {old.held.log_seq} of its key log is held")
        else:
            self._delete(name)
        self._write(name, row)

    def expire(self, now_ms: int) -> None:
        """Let go of what has ended."""
        while self._ends and self._ends[0][0] <= now_ms:
            _, name = heapq.heappop(self._ends)
            if name in self._rows and self._rows[name].until_ms <= now_ms:
                self._delete(name)

    def _make_room(self, place: bytes, row: _Row) -> None:
        if self._publishers[row.held.did] >= PER_PUBLISHER_MAX:
            raise NoRoom(f"{PER_PUBLISHER_MAX} of one publisher are held")
        if row.network is not None and self._networks[row.network] >= PER_NETWORK_MAX:
            raise NoRoom(f"{PER_NETWORK_MAX} that came from one network are held")
        victim = None
        if len(self._at.get(place, ())) >= PER_TOPIC_MAX:
            victim = self._crowded(place, row.network)
        elif len(self._rows) >= ROWS_MAX:
            distance, victim = self._far[-1]
            if number_of(place) ^ self._own >= distance:
                raise NoRoom("the store is full of what lies nearer")
        if victim is not None:
            self._delete(victim)

    def _crowded(self, place: bytes, network: bytes | None) -> bytes:
        """Return who makes room in a full topic: the first of the network with most, if that has two more than ours."""
        names = self._at[place]
        shares = Counter(self._rows[name].network for name in names)
        most, count = shares.most_common(1)[0]
        if count < shares[network] + 2:
            raise NoRoom(f"{PER_TOPIC_MAX} providers of the topic are held")
        return next(name for name in names if self._rows[name].network == most)

    def _write(self, name: bytes, row: _Row) -> None:
        place = name[:ID_SIZE]
        self._kept[name] = bytes([isinstance(row.held, Provider)]) + row.held.encode()
        self._rows[name] = row
        self._at.setdefault(place, []).append(name)
        insort(self._far, (number_of(place) ^ self._own, name))
        heapq.heappush(self._ends, (row.until_ms, name))
        if len(self._ends) > 2 * len(self._rows) + SPARE_ENDS:  # What was written over has ended before its time.
            self._ends = [(one.until_ms, named) for named, one in self._rows.items()]
            heapq.heapify(self._ends)
        self._publishers[row.held.did] += 1
        if row.network is not None:
            self._networks[row.network] += 1

    def _delete(self, name: bytes) -> None:
        place, row = name[:ID_SIZE], self._rows.pop(name)
        del self._kept[name]
        del self._far[bisect_left(self._far, (number_of(place) ^ self._own, name))]
        self._at[place].remove(name)
        if not self._at[place]:
            del self._at[place]
        _less(self._publishers, row.held.did)
        if row.network is not None:
            _less(self._networks, row.network)


def _until_ms(held: Held, now: Now) -> int:
    return now.mono_ms + held.expires_ms - now.utc_ms


def _less(counts: Counter[bytes], name: bytes) -> None:
    counts[name] -= 1
    if not counts[name]:
        del counts[name]
