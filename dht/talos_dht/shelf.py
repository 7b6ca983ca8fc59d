"""What a node holds for others, and for whom there is room.

Nothing comes in unchecked: `Server` has done that. And nothing goes out unchecked: time passes, key logs grow, disks
are damaged. Each limit is looked at before anything changes; beyond all of them what lies farthest from our own id goes
first, because for that others are answerable. No step walks over all rows.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import MutableMapping
from typing import Final, TypeAlias

from talos_dht.contact import ID_SIZE, number_of
from talos_dht.errors import BadStatement, KeyLogUnknown, Malformed, NoRoom, Outdated
from talos_dht.moment import Now
from talos_dht.row import Held, Row, Spoilt, read_row
from talos_dht.statement import KeyOf, check_signer, check_time, rank

ROWS_MAX: Final = 10_000  # Records and providers: 10 MB at most.
REGISTRY_ROWS_MAX: Final = 50_000  # Of a registry: 50 MB at most. What it is given nobody else may hold.
PER_PUBLISHER_MAX: Final = 19  # Its record at three places, and 16 topics.
PER_NETWORK_MAX: Final = 512  # Rows that came from one /24 or /48: a twentieth of all.
SPARE_ENDS: Final = 64  # Beside twice the rows: how many times of rows that were written over are kept.
PER_TOPIC_MAX: Final = 20  # Providers of one topic.

Rows: TypeAlias = MutableMapping[bytes, bytes]
"""Where rows are kept: a dict, or a driver's table."""


class Shelf:
    """`rows` may hold what was kept before; what has expired since goes, and what is `spoilt` goes and is listed.

    The one of a registry holds more, and lets nobody's go for what lies nearer.
    """

    def __init__(self, own_id: bytes, rows: Rows, now: Now, *, is_registry: bool = False) -> None:
        self._is_registry = is_registry
        self._rows_max = REGISTRY_ROWS_MAX if is_registry else ROWS_MAX
        self._own = number_of(own_id)
        self._kept = rows
        self._rows: dict[bytes, Row] = {}
        self._at: dict[bytes, list[bytes]] = {}  # Place -> names of rows.
        self._far = list[tuple[int, bytes]]()  # Distance and name, nearest first.
        self._ends = list[tuple[int, bytes]]()  # A heap: when, and name.
        self._publishers = Counter[bytes]()
        self._networks = Counter[bytes]()
        self._signers: dict[bytes, bytes] = {}  # Name of a row -> the key that its signature was verified with.
        self.spoilt: list[Spoilt] = []  # What could not be held any more when we began.
        for name, raw in list(rows.items()):
            try:
                self._load(name, read_row(name, raw, now), now)
            except (Malformed, BadStatement, NoRoom) as error:
                self.spoilt.append(Spoilt(name, str(error)))
                del rows[name]

    def __len__(self) -> int:
        return len(self._rows)

    def has_of(self, did: bytes) -> bool:
        """Say whether anything of this publisher is held."""
        return self._publishers[did] > 0

    def at(self, place: bytes, now_ms: int) -> list[Held]:
        """Return what lies there: a record, or the providers of a topic; `checked` says what to tell others."""
        rows = (self._rows[name] for name in self._at.get(place, ()))
        return [row.held for row in rows if row.until_ms > now_ms]

    def checked(self, place: bytes, key_of: KeyOf, now: Now) -> list[Held]:
        """Return what lies there and is true now, as far as anybody can tell. What has become false is let go."""
        return [self._rows[name].held for name in list(self._at.get(place, ())) if self._is_true(name, key_of, now)]

    def put(self, place: bytes, held: Held, network: bytes | None, now: Now) -> None:
        """Hold a checked statement that came from `network`. Raises `Outdated` or `NoRoom`: nothing changed."""
        self.expire(now.mono_ms)
        name = place + held.did
        old = self._rows.get(name)
        # A row stays its network's: else a number more would move it out of one share, and room would be for others.
        row = Row.of(held, (old and old.network) or network, now)
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

    def _is_true(self, name: bytes, key_of: KeyOf, now: Now) -> bool:
        row = self._rows[name]
        try:
            check_time(row.held, now.utc_ms)
        except BadStatement:
            return False  # It stays until its end on the other clock: this one may be set wrong.
        try:
            self._signers[name] = check_signer(row.held, key_of, self._signers.get(name))
        except BadStatement:
            self._delete(name)
            return False
        except KeyLogUnknown:
            return False
        return row.until_ms > now.mono_ms

    def _load(self, name: bytes, row: Row, now: Now) -> None:
        """Hold what was kept. Raises `BadStatement` or `NoRoom`."""
        if row.until_ms <= now.mono_ms:
            del self._kept[name]
            return
        check_time(row.held, now.utc_ms)
        self._make_room(name[:ID_SIZE], row)
        self._index(name, row)

    def _make_room(self, place: bytes, row: Row) -> None:
        if self._publishers[row.held.did] >= PER_PUBLISHER_MAX:
            raise NoRoom(f"{PER_PUBLISHER_MAX} of one publisher are held")
        if row.network is not None and self._networks[row.network] >= PER_NETWORK_MAX:
            raise NoRoom(f"{PER_NETWORK_MAX} that came from one network are held")
        victim = None
        if len(self._at.get(place, ())) >= PER_TOPIC_MAX:
            victim = self._crowded(place, row.network)
        elif len(self._rows) >= self._rows_max:
            distance, victim = self._far[-1]
            if self._is_registry or number_of(place) ^ self._own >= distance:
                raise NoRoom("the store is full, and what it holds goes before this")
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

    def _write(self, name: bytes, row: Row) -> None:
        self._kept[name] = row.encode()
        self._index(name, row)

    def _index(self, name: bytes, row: Row) -> None:
        place = name[:ID_SIZE]
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
        self._signers.pop(name, None)
        del self._far[bisect_left(self._far, (number_of(place) ^ self._own, name))]
        self._at[place].remove(name)
        if not self._at[place]:
            del self._at[place]
        _less(self._publishers, row.held.did)
        if row.network is not None:
            _less(self._networks, row.network)


def _less(counts: Counter[bytes], name: bytes) -> None:
    counts[name] -= 1
    if not counts[name]:
        del counts[name]
