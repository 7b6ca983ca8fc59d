"""Keys that sign for the tests beside this file, the same in every run."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from nacl.signing import SigningKey

from talos_audit.note import VerifierKey


class Signer:
    """An Ed25519 key with a name."""

    def __init__(self, name: str, *, seed: bytes | None = None) -> None:
        self._key = SigningKey(seed or sha256(name.encode()).digest())
        self.name = name
        self.public = bytes(self._key.verify_key)
        self.verifier = VerifierKey(name, self.public)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message).signature

    def signing(self) -> tuple[str, bytes, Callable[[bytes], bytes]]:
        """Return what `sign_note` and `add_signature` ask for."""
        return self.name, self.public, self.sign


LOG = Signer("log.example/7")
WITNESS = Signer("witness.example")
