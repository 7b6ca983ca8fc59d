"""Statements that nobody here can check yet, and which of them to spend a stream on.

Anybody may answer with one that looks like it, so each who answers has its turn before anybody has a second; and of one
turn, those that most told of come first. Each who is asked tells of four at most in one reply, and a walk asks 120.
And anybody may hold what is true, and not show the key log by which to check it: so all who told of it are named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from talos_dht.contact import Contact
from talos_dht.provider import Provider
from talos_dht.record import Record

UNCHECKED_MAX: Final = 4  # Statements shown whose key log is not known: each may cost a few streams to fetch it.

Told = TypeVar("Told", Record, Provider)


@dataclass(slots=True)
class _Entry:
    turn: int  # The least of who told of it: how many it had told of before.
    tellers: list[Contact] = field(default_factory=list)


class Unchecked(Generic[Told]):
    def __init__(self) -> None:
        self._entries: dict[Told, _Entry] = {}
        self._turns: dict[bytes, int] = {}  # Contact as written -> how many it told of.

    def add(self, told: Told, teller: Contact) -> None:
        turn = self._turns.get(teller.raw, 0)
        entry = self._entries.setdefault(told, _Entry(turn))
        if teller not in entry.tellers:
            self._turns[teller.raw] = turn + 1
            entry.turn = min(entry.turn, turn)
            entry.tellers.append(teller)

    @property
    def shown(self) -> list[tuple[Told, tuple[Contact, ...]]]:
        """The likeliest first, at most `UNCHECKED_MAX`, each with all who told of it: any may have the key log."""
        ordered = sorted(self._entries.items(), key=lambda item: (item[1].turn, -len(item[1].tellers)))
        return [(told, tuple(entry.tellers)) for told, entry in ordered[:UNCHECKED_MAX]]
