"""Refusals, counted at once and written down in aggregate, so that nobody can fill the log with them (DECISIONS 21).

One entry per kind and peer for each minute in which something was refused, with how many and the hash of one sample.
Who has not proved who it is counts as a stranger; strangers together get a bounded number of entries a day, and what
is over it waits, counted, for the next day. Nothing here ever holds up what is refused.

Row: `meta` strangers -> day since 1970 u64 | entries written that day u64.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from talos.core.budgets import OverBudget
from talos.core.entries import Entry
from talos.core.entry_types import EntryType, Refusal, write_body
from talos.core.names import LABEL_SAMPLE, digest
from talos.core.outbox import AckedUnsent
from talos.core.step import Put, Step
from talos.core.tables import META, Rows
from talos.errors import Damaged, MalformedMessage, Refused, TalosError
from talos_ratchet import Duplicate, RatchetError

AGGREGATE_MS: Final = 60_000
STRANGER_ENTRIES_MAX: Final = 1_000  # A day.
PEERS_MAX: Final = 1_024  # Peers counted apart at once: four times the links a node has. More count as strangers.
DAY_MS: Final = 24 * 3600 * 1000
DAYS_AHEAD_MAX: Final = 1  # A day that lies further ahead was never today.
STRANGER: Final = b""  # Instead of a DID hash.
NO_SAMPLE: Final = bytes(32)

STRANGERS_KEY: Final = b"strangers"

_DAY: Final = struct.Struct(">QQ")
_TYPES: Final = {Refusal.SIGNATURE: EntryType.SIGNATURE_FAILURE, Refusal.REPLAY: EntryType.REPLAY_DROPPED}


def refusal_of(error: TalosError | RatchetError) -> Refusal:
    """Say why something came to nothing."""
    if isinstance(error, Duplicate) or isinstance(error.__cause__, Duplicate):
        return Refusal.REPLAY
    if isinstance(error, MalformedMessage | AckedUnsent):
        return Refusal.MALFORMED
    if isinstance(error, Damaged | RatchetError):
        return Refusal.SIGNATURE
    if isinstance(error, OverBudget):
        return Refusal.OVER_BUDGET
    return Refusal.NOT_ACCEPTED if isinstance(error, Refused) else Refusal.GAVE_UP


@dataclass(slots=True)
class Tally:
    """What was refused of one kind and peer since the last entry of it."""

    count: int
    first_ms: int
    last_ms: int
    sample: bytes


class Refusals:
    """Count with `refuse`; every `AGGREGATE_MS` commit `due`, and say with `settle` how that went."""

    __slots__ = ("_day", "_leaving", "_spent", "_tallies", "_written", "total")

    def __init__(self, rows: Rows) -> None:
        stored = rows.get(META, STRANGERS_KEY)
        self._day: int
        self._written: int
        if stored is not None and len(stored) != _DAY.size:
            raise Damaged("the count of entries about strangers is not of the size it was written with")
        self._day, self._written = (0, 0) if stored is None else _DAY.unpack(stored)
        self._spent = 0  # Of today's entries about strangers, by those on their way to the disk.
        self._tallies: dict[tuple[bytes, Refusal], Tally] = {}
        self._leaving: dict[tuple[bytes, Refusal], Tally] = {}  # On their way to the disk.
        self.total = 0  # Since this node started.

    def refuse(self, kind: Refusal, peer: bytes, sample: bytes, now_ms: int) -> None:
        """Count one. `peer` is the DID hash of who has proved to have sent it, else `STRANGER`."""
        self.total += 1
        place = self._place(peer, kind)
        tally = self._tallies.get(place)
        if tally is None:  # One sample is hashed, however many frames come.
            hashed = digest(LABEL_SAMPLE, sample) if sample else NO_SAMPLE
            self._tallies[place] = Tally(1, now_ms, now_ms, hashed)
        else:
            tally.count += 1
            tally.last_ms = now_ms

    def due(self, now_ms: int) -> Step | None:
        """Return the step that writes down what is counted; None if there is nothing, or no room.

        Then `settle`: until that is called there is nothing more.
        """
        if self._leaving:
            return None
        entries: list[Entry] = []
        left = self._left(now_ms)
        for (peer, kind), tally in list(self._tallies.items()):
            if peer == STRANGER:
                if not left:
                    continue
                left -= 1
            entries.append(_entry(kind, peer, tally, now_ms))
            self._leaving[peer, kind] = self._tallies.pop((peer, kind))
        if not entries:
            return None
        self._spent = sum(peer == STRANGER for peer, _ in self._leaving)
        write = Put(META, STRANGERS_KEY, _DAY.pack(self._day, self._written + self._spent))
        return Step((write,), tuple(entries))

    def settle(self, *, written: bool) -> None:
        """What `due` returned is on disk, or is not: then it counts on."""
        leaving, self._leaving = self._leaving, {}
        if written:
            self._written += self._spent
            return
        later, self._tallies = self._tallies, leaving
        for (peer, kind), tally in later.items():
            known = self._tallies.setdefault(self._place(peer, kind), tally)
            if known is not tally:
                known.count += tally.count
                known.last_ms = tally.last_ms

    def _place(self, peer: bytes, kind: Refusal) -> tuple[bytes, Refusal]:
        """Return under what a refusal counts: with strangers, where there are too many peers."""
        if (peer, kind) not in self._tallies and len(self._tallies) >= PEERS_MAX:
            return STRANGER, kind
        return peer, kind

    def _left(self, now_ms: int) -> int:
        """Return how many entries strangers have left today. A clock that goes back gives them no second day.

        If it has been far ahead, the day it believes in begins with what that one had left: waiting until then would
        silence strangers for as long.
        """
        day = now_ms // DAY_MS
        if day > self._day:
            self._day, self._written = day, 0
        elif day < self._day - DAYS_AHEAD_MAX:
            self._day = day
        return max(0, STRANGER_ENTRIES_MAX - self._written)


def _entry(kind: Refusal, peer: bytes, tally: Tally, now_ms: int) -> Entry:
    type = _TYPES.get(kind, EntryType.REFUSED)
    body = write_body(type, kind, peer, tally.count, tally.first_ms, tally.last_ms, tally.sample)
    return Entry(type, now_ms, peer, body)
