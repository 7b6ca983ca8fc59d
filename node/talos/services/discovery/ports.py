"""The node's UDP ports: what comes in is counted, then opened; what goes out is sealed.

The order is by cost: size, then the budget of where it says it comes from, then the box. A source can be forged, so a
budget only bounds what opening boxes costs us; it proves nothing, and the DHT has tokens for that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from talos.core.boxes import Boxes
from talos.core.budgets import Work, datagram_source_of
from talos.errors import Damaged, MalformedMessage, UsageError
from talos.host import Address, Datagrams, LinkClosed, Listener, Network
from talos.services.desk import Desk
from talos_dht import DATAGRAM_MAX, SEAL_SIZE, Contact, Malformed

ANY_PORT: Final = Address("0.0.0.0", 0)  # Of a node that only dials.
BINDS_MAX: Final = 8  # Attempts to get one number for TCP and UDP, where any will do.
ADDRESSES_MAX: Final = 4_096  # Contacts whose addresses are kept as the network takes them.

Heard = Callable[[Contact, bytes], Awaitable[None]]  # Takes who sent a body, and the body.


async def listen(network: Network, address: Address) -> tuple[Listener, Datagrams]:
    """Bind one port twice, for streams and for datagrams: who knows one knows both. Raises `UsageError`."""
    for left in reversed(range(BINDS_MAX)):
        listener = await network.listen_stream(address)
        try:
            return listener, await network.open_datagrams(Address(address.host, listener.address.port))
        except UsageError:
            await listener.aclose()
            if address.port or not left:  # Any free port was asked for: some other is free for both.
                raise
    raise AssertionError("unreachable")


@lru_cache(maxsize=ADDRESSES_MAX)
def _address_of(contact: Contact) -> Address:
    return Address(contact.host, contact.port)


@dataclass(slots=True)
class Traffic:
    """Datagrams since the start."""

    sent: int = 0
    received: int = 0
    refused: int = 0  # Beyond a budget, forged or malformed: without effect.


class Ports:
    """`opened` are open already; closing them is the caller's."""

    def __init__(self, desk: Desk, boxes: Boxes, opened: list[Datagrams]) -> None:
        self._desk = desk
        self._boxes = boxes
        self.opened = opened
        self.traffic = Traffic()

    async def send(self, to: Contact, body: bytes) -> None:
        """Send what the DHT says. What cannot be sent from here is lost, as on any road."""
        for port in self.opened:
            if (":" in port.address.host) == (":" in to.host):
                with suppress(UsageError, LinkClosed, Damaged):  # A wrong family, closing, a key of low order.
                    await port.send_to(self._boxes.seal(to.key, body), _address_of(to))
                    self.traffic.sent += 1
                return

    async def read(self, port: Datagrams, heard: Heard) -> None:
        """Hand what comes in on one port to `heard`, until cancelled or closed. Raises `LinkClosed`."""
        while True:
            data, source = await port.receive_from()
            self.traffic.received += 1
            opened = self._opened(data, source)
            if opened is None:
                self.traffic.refused += 1
            else:
                await heard(*opened)

    def _opened(self, data: bytes, source: Address) -> tuple[Contact, bytes] | None:
        claimed = datagram_source_of(source.host, source.port)
        if not SEAL_SIZE < len(data) <= DATAGRAM_MAX or not self._desk.spend(Work.DATAGRAM, claimed):
            return None
        try:
            key, body = self._boxes.open(data)
            return Contact.at(key, source.host, source.port), body
        except (Damaged, MalformedMessage, Malformed):
            return None  # Anybody may have sent it: it is counted, and nothing else.
