"""Suite 1: X25519, ML-KEM-1024, HKDF-SHA256, HMAC-SHA256, ChaCha20-Poly1305. There is no negotiation.

Sources: Signal, "The Double Ratchet Algorithm", sections 2.2, 4 and 5.2; RFC 7748; RFC 5869; RFC 8439.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from talos_ratchet.checked import KEY_SIZE, Trial
from talos_ratchet.errors import Malformed

try:
    from talos_ratchet import sodium as calls
except (ImportError, AttributeError):  # PyNaCl keeps its C functions elsewhere, as it may: they are private to it.
    from talos_ratchet import checked as calls  # type: ignore[no-redef]  # The same functions.

MESSAGE_KEY_INPUT: Final = b"\x01"  # Signal's constants, so that others' implementations check ours.
CHAIN_KEY_INPUT: Final = b"\x02"
F_PREFIX: Final = b"\xff" * 32  # X3DH section 2.2: keeps the input apart from any XEdDSA input.
NO_SALT: Final = bytes(32)  # X3DH section 2.2: as many zero bytes as SHA-256 has output.

_HASH: Final = SHA256()

public_of = calls.public_of


class Sealer(Protocol):
    """What seals one frame: all that is asked of a cipher there."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes: ...


class Opener(Protocol):
    """What opens one frame."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes | None:
        """Return None if the tag does not fit."""


class Suite:
    """All cryptography after decoding. Tests subclass it to observe keys and to count derivations."""

    id: ClassVar[int] = 1
    label: ClassVar[bytes] = b"talos/v1/"  # Begins every signed, hashed and derived-from byte string.

    __slots__ = ("_root_info",)

    def __init__(self) -> None:
        self._root_info = self.info(b"root")

    def info(self, name: bytes, context: bytes = b"") -> bytes:
        """Return what separates one use of a key or hash from every other: label, name, 00, context."""
        return self.label + name + b"\x00" + context

    # Called once for each message key that encrypts, and for each that is tried. They are not methods because calls
    # count here (0.1 us of the 15 of a message); a subclass may make them methods, to watch.
    seal_aead: Callable[[bytes], Sealer] = staticmethod(calls.ChaCha20Poly1305)
    open_aead: Callable[[bytes], Opener] = staticmethod(calls.ChaCha20Poly1305)

    # Tries header keys in turn: which of them fits, and the header; None if none does.
    open_header: Callable[[Sequence[Trial], bytes, bytes], tuple[int, bytes] | None] = staticmethod(
        calls.open_with_one_of
    )

    def header_aead(self, key: bytes) -> Sealer:
        """Return what seals the headers of one chain."""
        return calls.ChaCha20Poly1305(key)

    def step(self, chain_key: bytes) -> tuple[bytes, bytes]:
        """Return one message key and the next chain key, 32 bytes each."""
        message = HMAC(chain_key, _HASH)
        chain = message.copy()  # Hashes the key block once for both outputs.
        message.update(MESSAGE_KEY_INPUT)
        chain.update(CHAIN_KEY_INPUT)
        return message.finalize(), chain.finalize()

    def turn(self, root: bytes, shared: bytes) -> tuple[bytes, bytes, bytes]:
        """Return the next root, a chain key and the header key of the chain after that, 32 bytes each."""
        out = HKDF(_HASH, 3 * KEY_SIZE, root, self._root_info).derive(shared)
        return out[:32], out[32:64], out[64:]

    def agree(self, secret: bytes, public: bytes) -> bytes:
        """Return the X25519 shared secret. Raises `Malformed` for a low-order `public`."""
        shared = calls.agree(secret, public)
        if shared is None:
            raise Malformed("the peer's X25519 key has low order")
        return shared

    def mix(self, secrets: tuple[bytes, ...], info: bytes) -> bytes:
        """Return the 32 byte handshake secret of X3DH (section 2.2) or PQXDH, whose last secret is the KEM's."""
        return HKDF(_HASH, KEY_SIZE, NO_SALT, info).derive(F_PREFIX + b"".join(secrets))

    def expand(self, secret: bytes, info: bytes, size: int) -> bytes:
        """Return `size` bytes for one use of a uniform `secret` (RFC 5869, section 2.3)."""
        return HKDFExpand(_HASH, size, info).derive(secret)


SUITE_1: Final = Suite()
