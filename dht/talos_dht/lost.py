"""Contacts that answered once and went silent: whether they are gone, or a cut lies between us, nobody can say.

Two halves of a network that is cut in two forget each other within minutes, and each goes on by itself: no lookup of
one would ever ask anybody of the other again. So a few of those that fell silent are asked again, for ever, by turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from talos_dht.contact import Contact

LOST_MAX: Final = 40  # Contacts that are not forgotten.
LOST_ASKED: Final = 2  # Of them, each minute.


class Lost:
    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._contacts: dict[bytes, Contact] = {}  # By id, those asked longest ago in front.

    def __len__(self) -> int:
        return len(self._contacts)

    def __iter__(self) -> Iterator[Contact]:
        return iter(self._contacts.values())

    def add(self, contact: Contact) -> None:
        """Keep it in mind. Where there are too many one goes, drawn: else those that die every day would push out those
        behind the cut."""
        if contact.id not in self._contacts and len(self._contacts) == LOST_MAX:
            drawn = int.from_bytes(self._entropy(4), "big") % LOST_MAX
            del self._contacts[[*self._contacts][drawn]]
        self._contacts[contact.id] = contact

    def is_back(self, contact: Contact) -> bool:
        """Say whether it is one of them, wherever it is now; it is no more."""
        return self._contacts.pop(contact.id, None) is not None

    def turn(self) -> list[Contact]:
        """Return those whose turn it is to be asked."""
        asked = [*self._contacts.values()][:LOST_ASKED]
        for contact in asked:
            self._contacts[contact.id] = self._contacts.pop(contact.id)
        return asked
