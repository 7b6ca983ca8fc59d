"""What seals datagrams: a NaCl box between two nodes' X25519 keys, and nothing that has to be agreed on first.

    datagram = sender's key 32 | nonce 24 | XSalsa20-Poly1305 of the body, with its tag of 16

The key of both directions is crypto_box's, of their key and ours. Where a group has a network key, it is BLAKE2b of
that under the network key, so what strangers send does not open. A box has no forward secrecy, and shows who sends:
what is in it is for everybody who asks (docs/threats.md).
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

from nacl.bindings import crypto_box_beforenm, crypto_secretbox, crypto_secretbox_open
from nacl.exceptions import CryptoError

from talos.core.dice import Entropy
from talos.errors import Damaged, MalformedMessage
from talos_dht import SEAL_SIZE
from talos_ratchet import KeyPair

KEY_SIZE: Final = 32  # Bytes of an X25519 key, and of a network key.
NONCE_SIZE: Final = 24  # Bytes, random: 2**96 datagrams between two nodes before one is likely to come twice.
SHARED_MAX: Final = 4_096  # Keys kept, 0.5 MB: an agreement costs 31 us, a datagram under a key that is here 5.
PERSON: Final = b"talos/v1/dht-net"  # BLAKE2b's personalization, 16 bytes.
BEACON_PERSON: Final = b"talos/v1/beacon"
CIRCLE_SIZE: Final = NONCE_SIZE + 16  # Bytes that a circle adds.


class BoxForged(Damaged):
    """A datagram that does not open: it was changed, sealed for somebody else, or comes from outside the group."""


class Boxes:
    """Seals and opens for the holder of `pair`."""

    __slots__ = ("_entropy", "_network_key", "_pair", "_shared")

    def __init__(self, pair: KeyPair, entropy: Entropy, network_key: bytes = b"") -> None:
        self._pair = pair
        self._entropy = entropy
        self._network_key = network_key
        self._shared: OrderedDict[bytes, bytes] = OrderedDict()  # Least recently used first.

    def __len__(self) -> int:
        return len(self._shared)

    def knows(self, key: bytes) -> bool:
        """Say whether what comes from this key costs no agreement."""
        return key in self._shared

    def seal(self, to: bytes, body: bytes) -> bytes:
        """Return the datagram that brings `body` to the holder of this key. Raises `BoxForged` for one of low order."""
        nonce = self._entropy(NONCE_SIZE)
        return self._pair.public + nonce + crypto_secretbox(body, nonce, self._key(to))

    def open(self, datagram: bytes) -> tuple[bytes, bytes]:
        """Return who sealed it, and the body. Raises `MalformedMessage` or `BoxForged`.

        A key is remembered only if its datagram opened: what is forged drives nobody else's out.
        """
        if len(datagram) < SEAL_SIZE:
            raise MalformedMessage(f"datagram: {len(datagram)} bytes, at least {SEAL_SIZE} are needed")
        sender, nonce = datagram[:KEY_SIZE], datagram[KEY_SIZE : KEY_SIZE + NONCE_SIZE]
        shared = self._shared.get(sender) or self._agreed(sender)
        try:
            body = crypto_secretbox_open(datagram[KEY_SIZE + NONCE_SIZE :], nonce, shared)
        except CryptoError:
            raise BoxForged("the datagram does not open") from None
        self._keep(sender, shared)
        return sender, body

    def _key(self, theirs: bytes) -> bytes:
        shared = self._shared.get(theirs) or self._agreed(theirs)
        self._keep(theirs, shared)
        return shared

    def _keep(self, theirs: bytes, shared: bytes) -> None:
        self._shared[theirs] = shared
        self._shared.move_to_end(theirs)
        if len(self._shared) > SHARED_MAX:
            self._shared.popitem(last=False)

    def _agreed(self, theirs: bytes) -> bytes:
        try:
            shared = crypto_box_beforenm(theirs, self._pair.secret)
        except CryptoError:
            raise BoxForged("the datagram's key is a point of low order") from None
        if not self._network_key:
            return shared
        return blake2b(shared, digest_size=KEY_SIZE, key=self._network_key, person=PERSON).digest()


class Circle:
    """Seals what all of a group may read, and nobody else: beacons. Without a network key it leaves them as they are.

    sealed = nonce 24 | XSalsa20-Poly1305, with its tag of 16, under BLAKE2b of nothing under the network key
    """

    __slots__ = ("_entropy", "_key")

    def __init__(self, network_key: bytes, entropy: Entropy) -> None:
        self._entropy = entropy
        self._key = (
            blake2b(digest_size=KEY_SIZE, key=network_key, person=BEACON_PERSON).digest() if network_key else b""
        )

    def seal(self, body: bytes) -> bytes:
        if not self._key:
            return body
        nonce = self._entropy(NONCE_SIZE)
        return nonce + crypto_secretbox(body, nonce, self._key)

    def open(self, sealed: bytes) -> bytes:
        """Raises `BoxForged` for what comes from outside the group."""
        if not self._key:
            return sealed
        try:
            return crypto_secretbox_open(sealed[NONCE_SIZE:], sealed[:NONCE_SIZE], self._key)
        except (CryptoError, ValueError):  # Forged, or too short to be anything.
            raise BoxForged("the beacon does not open") from None
