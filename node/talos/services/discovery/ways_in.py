"""From where a node is said to be, DID@HOST:PORT, to a contact that datagrams can be sent to."""

from __future__ import annotations

from collections.abc import Iterable

from talos.core.names import PeerAddress
from talos.errors import TalosError
from talos.host import Address
from talos.services.dial import Dialler
from talos_dht import Contact, Malformed


class WaysIn:
    """Asks there over a stream who it is: its card has the key. What was learnt is kept until it fails."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self._contacts: dict[PeerAddress, Contact] = {}
        self.failures: dict[PeerAddress, str] = {}  # Why there is no contact for one.

    async def contacts(self, ways: Iterable[PeerAddress]) -> list[Contact]:
        """Return the contacts of those that can be had."""
        return [contact for way in ways if (contact := await self._contact(way)) is not None]

    def failed(self, contacts: Iterable[Contact]) -> None:
        """These did not answer: ask anew who is there, next time."""
        for way in [way for way, contact in self._contacts.items() if contact in contacts]:
            del self._contacts[way]
            self.failures[way] = f"no answer to datagrams from {way.host}:{way.port}"

    async def _contact(self, way: PeerAddress) -> Contact | None:
        if way not in self._contacts:
            try:
                seen = await self._dialler.look(Address(way.host, way.port), way.did)
                self._contacts[way] = Contact.at(seen.who.party.x25519, seen.host, way.port)
            except (TalosError, Malformed) as error:
                self.failures[way] = str(error)
                return None
            self.failures.pop(way, None)
        return self._contacts[way]
