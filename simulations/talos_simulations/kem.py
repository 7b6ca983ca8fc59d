"""A stand-in for ML-KEM-1024 encapsulation, which rolls dice of its own and so never repeats.

FIPS 203 has no encapsulation with given dice in `cryptography`. In here one process holds every node, so the sender
may ask the owner of the key: it sends a ciphertext of repeatable noise, of the right size, and takes as the secret
what the owner's own real decapsulation makes of it (FIPS 203, section 6.3: noise decapsulates to a secret too).
Whatever the node does with the prekey and the ciphertext is the real code. Nothing is hidden from anybody.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey

from talos.core.dice import Encapsulate, Entropy
from talos.errors import MalformedMessage

SEED_SIZE: Final = 64  # Bytes: d and z of FIPS 203, section 7.1.
CIPHERTEXT_SIZE: Final = 1_568  # Bytes.


class OpenKem:
    """Knows every seed that was drawn in the world. One per world."""

    def __init__(self) -> None:
        self._seeds: list[bytes] = []  # Whose keys nobody has asked for yet.
        self._keys: dict[bytes, MLKEM1024PrivateKey] = {}

    def watched(self, draw: Entropy) -> Entropy:
        """Return the same source of entropy, remembering what could be the seed of a key."""

        def entropy(size: int) -> bytes:
            drawn = draw(size)
            if size == SEED_SIZE:
                self._seeds.append(drawn)
            return drawn

        return entropy

    def encapsulate_with(self, draw: Entropy) -> Encapsulate:
        """Return what `talos.drivers.kem.encapsulate` is in life."""

        def encapsulate(public_key: bytes) -> tuple[bytes, bytes]:
            ciphertext = draw(CIPHERTEXT_SIZE)
            return self._owner_of(public_key).decapsulate(ciphertext), ciphertext

        return encapsulate

    def _owner_of(self, public_key: bytes) -> MLKEM1024PrivateKey:
        while public_key not in self._keys:
            if not self._seeds:
                raise MalformedMessage("nobody in this world has that ML-KEM-1024 key")
            key = MLKEM1024PrivateKey.from_seed_bytes(self._seeds.pop())
            self._keys[key.public_key().public_bytes_raw()] = key
        return self._keys[public_key]
