"""Whom we ask whether it answers, because it asked us first: how many at a time, and who makes room.

Anybody can write anybody's address on a datagram and has us send a ping there. So there are few places, and a forger
must not hold them against others:

    shares    who has proved its address by a token has places that no forger reaches; a network has two of either kind
    room      each place is kept until there is an answer, or is lost; if all are taken, the oldest makes room for a
              newcomer, once it has had the time that an answer takes

Whom the table would like to ask needs no place: there is one in each bucket at most that was silent for long, and 20 a
minute that owe an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from talos_dht.contact import Contact
from talos_dht.table import PER_BUCKET_NETWORK_MAX

BACK_MAX: Final = 32  # Contacts that are asked back at a time, and as many that have not proved their address.


class Why(Enum):
    SAID = auto()  # It says that it is there.
    PROVEN = auto()  # It hears what is sent there.
    KNOWN = auto()  # It has a place in the table.


@dataclass(frozen=True, slots=True)
class Asked:
    contact: Contact
    why: Why
    txid: bytes
    late_ms: int  # When an answer would have come.


class AskedBack:
    def __init__(self) -> None:
        self._asked: dict[bytes, Asked] = {}  # By contact as written, the oldest in front.

    def __len__(self) -> int:
        return len(self._asked)

    def __contains__(self, contact: Contact) -> bool:
        return contact.raw in self._asked

    def has_room(self, contact: Contact, why: Why, now_ms: int) -> tuple[bool, Asked | None]:
        """Say whether it may be asked, and who makes room for it, if somebody must."""
        if why is Why.KNOWN:
            return True, None
        alike = [one for one in self._asked.values() if one.why is why]
        near = [one for one in alike if one.contact.network == contact.network is not None]
        for crowd, most in ((near, PER_BUCKET_NETWORK_MAX), (alike, BACK_MAX)):
            if len(crowd) >= most:
                oldest = crowd[0]
                return (True, oldest) if oldest.late_ms <= now_ms else (False, None)
        return True, None

    def take(self, asked: Asked) -> None:
        self._asked[asked.contact.raw] = asked

    def leave(self, contact: Contact) -> None:
        self._asked.pop(contact.raw, None)
