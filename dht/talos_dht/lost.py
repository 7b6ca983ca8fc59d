"""Contacts that answered once and went silent: whether they are gone, or a cut lies between us, nobody can say.

Two halves of a network that is cut in two forget each other within minutes, and each goes on by itself: no lookup of
one would ever ask anybody of the other again. So a few of those that fell silent are asked again, for ever, by turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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


class Earlier:
    """Contacts that answered in an earlier run, while nobody beyond our own house has answered in this one.

    Our line may be cut: that neighbours answer says nothing of them. Those in our house are not kept: they would have
    answered as the neighbours did.
    """

    def __init__(self) -> None:
        self._contacts: list[Contact] = []  # Those asked longest ago in front.

    def __iter__(self) -> Iterator[Contact]:
        return iter(self._contacts)

    def begin(self, contacts: Iterable[Contact]) -> None:
        self._contacts = [one for one in contacts if one.network is not None]

    def is_back(self, contact: Contact) -> bool:
        """Note who has answered; say whether it is one of them. Whoever is out there ends the wait for all."""
        if contact.network is None:
            return False
        is_back = contact in self._contacts
        self._contacts = []
        return is_back

    def turn(self) -> list[Contact]:
        """Return those whose turn it is to be asked."""
        asked = self._contacts[:LOST_ASKED]
        self._contacts = self._contacts[LOST_ASKED:] + asked
        return asked
