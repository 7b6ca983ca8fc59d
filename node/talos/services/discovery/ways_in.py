"""From where a node is said to be, DID@HOST:PORT, to a contact that datagrams can be sent to."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final

import trio

from talos.core.names import PeerAddress
from talos.errors import TalosError
from talos.host import Address, Clock
from talos.services.dial import Dialler
from talos_dht import Contact, Malformed

LOOKS_MAX: Final = 8  # At once: each is a stream, and up to ten seconds where nobody answers.
REST: Final = 6  # So many times as long as a failed question took, nobody is kept waiting by the next one.


class WaysIn:
    """Asks there over a stream who it is: its card has the key. What was learnt is kept until it fails.

    A question that failed is asked again after a rest that grows with what it cost: a moment where nobody listens, a
    minute where we waited ten seconds in vain.
    """

    def __init__(self, dialler: Dialler, clock: Clock) -> None:
        self._dialler = dialler
        self._clock = clock
        self._slots = trio.CapacityLimiter(LOOKS_MAX)
        self._looking: dict[PeerAddress, trio.Event] = {}
        self._contacts: dict[PeerAddress, Contact] = {}
        self._rest_until: dict[PeerAddress, float] = {}  # Monotonic.
        self.failures: dict[PeerAddress, str] = {}  # Why there is no contact for one.

    async def contacts(self, ways: Iterable[PeerAddress]) -> list[Contact]:
        """Return the contacts of those that can be had, in this order. All are asked at once: many may be gone."""
        listed = list(ways)
        async with trio.open_nursery() as nursery:
            for way in listed:
                nursery.start_soon(self._look, way)
        return [self._contacts[way] for way in listed if way in self._contacts]

    def failed(self, contacts: Iterable[Contact]) -> None:
        """These did not answer: ask anew who is there, next time."""
        for way in [way for way, contact in self._contacts.items() if contact in contacts]:
            del self._contacts[way]
            self.failures[way] = f"no answer to datagrams from {way.host}:{way.port}"

    async def _look(self, way: PeerAddress) -> None:
        """Ask who is there; all who want to know at once share one question."""
        while way in self._looking:  # Who asked may have been broken off: then the next who waits asks.
            await self._looking[way].wait()
        if way not in self._contacts and self._clock.monotonic() >= self._rest_until.get(way, -inf):
            done = self._looking[way] = trio.Event()
            try:
                async with self._slots:
                    await self._ask(way)
            finally:
                del self._looking[way]
                done.set()

    async def _ask(self, way: PeerAddress) -> None:
        began = self._clock.monotonic()
        try:
            seen = await self._dialler.look(Address(way.host, way.port), way.did)
            self._contacts[way] = Contact.at(seen.who.party.x25519, seen.host, way.port)
        except (TalosError, Malformed) as error:
            self.failures[way] = str(error)
            now = self._clock.monotonic()
            self._rest_until[way] = now + REST * (now - began)
        else:
            self.failures.pop(way, None)
