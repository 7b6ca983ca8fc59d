"""From which of our UDP ports to send, where there are several of one family: from where somebody was heard, because an
answer counts only if it comes from where the question went; else from the one that leads as far as the other is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from talos.host import Datagrams
from talos_dht import Contact
from talos_dht.contact import KEY_SIZE

HEARD_MAX: Final = 4_096  # Contacts of whom it is kept at which of several ports they were heard: 1 MB.

ANYWHERE: Final = 0  # A port at any address.
HERE: Final = 1  # On this machine.
NEAR: Final = 2  # In our own house.
FAR: Final = 3


class WaysOut:
    def __init__(self, ports: Iterable[Datagrams]) -> None:
        self._ports: dict[bool, list[Datagrams]] = {True: [], False: []}  # By whether they are of IPv6.
        for port in ports:
            self._ports[":" in port.address.host].append(port)
        self._heard: OrderedDict[bytes, Datagrams] = OrderedDict()  # By contact as written, least recently heard first.

    def heard(self, sender: Contact, port: Datagrams) -> None:
        if len(self._ports[":" in port.address.host]) > 1:
            self._heard[sender.raw] = port
            self._heard.move_to_end(sender.raw)
            if len(self._heard) > HEARD_MAX:
                self._heard.popitem(last=False)

    def to(self, contact: Contact) -> Datagrams | None:
        """Return None where no port is of its family."""
        ports = self._ports[":" in contact.host]
        if len(ports) < 2:  # As nearly always.
            return ports[0] if ports else None
        return self._heard.get(contact.raw) or min(ports, key=lambda port: _detour(port.address.host, contact.host))


def _detour(here: str, there: str) -> int:
    """Return how ill a port leads there: what is bound to this machine leads to nobody else, a house out of it."""
    ours, theirs = _reach(here), _reach(there)
    return 0 if ours in (ANYWHERE, theirs) else 1 + FAR - ours


@lru_cache(maxsize=HEARD_MAX)
def _reach(host: str) -> int:
    address = ip_address(host)
    if address.is_unspecified:
        return ANYWHERE
    if address.is_loopback:
        return HERE
    return NEAR if Contact.at(bytes(KEY_SIZE), host, 1).network is None else FAR
