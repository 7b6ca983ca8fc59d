"""Where others see us: what most of those who have answered say, each network of them with one voice.

A reply tells from which address its request came. Anybody can answer so that we ask it, and say what it likes; a node
that listens at any address tells the world this one, so it is not to be one liar's word.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from talos_dht.contact import Contact, read_contact
from talos_dht.errors import Malformed

VOICES_MAX: Final = 20  # Networks whose word is kept, a bucket's worth; and nodes of our own house.


class Vantage:
    """Of the node that holds the X25519 `key`."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._outside: dict[bytes, Contact] = {}  # By network. Those who spoke first stand first.
        self._inside: dict[bytes, Contact] = {}  # By key.

    def told(self, teller: Contact, place: bytes) -> None:
        """Take an address and port, 18 bytes, that who answered has seen us at. What nobody can be at says nothing."""
        try:
            seen = read_contact(self._key + place)
        except Malformed:
            return
        if teller.network is None:
            _keep(self._inside, teller.key, seen)
        elif seen.network is not None:  # An address of our house is not seen outside it.
            _keep(self._outside, teller.network, seen)

    @property
    def place(self) -> bytes | None:
        """The address that most name, with the port that the first of them does; of our house only if nobody else has
        answered."""
        voices = [*(self._outside or self._inside).values()]
        if not voices:
            return None
        [(ip, _)] = Counter(one.ip for one in voices).most_common(1)
        return next(one.place for one in voices if one.ip == ip)


def _keep(voices: dict[bytes, Contact], teller: bytes, seen: Contact) -> None:
    voices[teller] = seen
    if len(voices) > VOICES_MAX:
        del voices[next(iter(voices))]
