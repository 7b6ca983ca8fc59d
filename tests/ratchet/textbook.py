"""The Double Ratchet with header encryption, once more and as the book has it, to check ours against.

Written from Signal's "The Double Ratchet Algorithm", section 4, and the layouts in talos_ratchet/README.md; of the
package it uses nothing. It trusts its input, and knows the peer's nonces: it must yield the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from hmac import digest
from struct import pack, unpack

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

LABEL = b"talos/v1/"


def hkdf(salt: bytes, ikm: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869, section 2."""
    return expand(digest(salt, ikm, "sha256"), info, size)


def expand(prk: bytes, info: bytes, size: int) -> bytes:
    out = block = b""
    for number in range(1, size // 32 + 2):
        block = digest(prk, block + info + bytes([number]), "sha256")
        out += block
    return out[:size]


def transcript(parts: list[bytes]) -> bytes:
    return sha256(LABEL + b"transcript\x00" + b"".join(parts)).digest()


class Textbook:
    """One end of one lane. `secrets` yields its ratchet secrets in order, and nothing else is secret of its own."""

    def __init__(self, lane: int, transcript: bytes, secret: bytes, secrets: Iterator[bytes]) -> None:
        self.kind = bytes([0x10 + lane])
        self.ad = transcript + bytes([lane])
        seed = expand(secret, LABEL + b"lane\x00" + bytes([lane]), 96)
        self.root, self.first_header, self.second_header = seed[:32], seed[32:64], seed[64:]
        self.secrets = secrets
        self.own = self.theirs = b""
        self.sending = self.receiving = self.header_out = self.header_in = b""
        self.next_out = self.next_in = b""
        self.sent = self.received = self.previous = 0
        self.skipped: dict[tuple[bytes, int], bytes] = {}

    def initiate(self, theirs: bytes) -> None:
        self.theirs, self.next_out, self.next_in = theirs, self.first_header, self.second_header
        self.turn_out()

    def respond(self, own: bytes) -> None:
        self.own, self.next_in, self.next_out = own, self.first_header, self.second_header

    def kdf(self, own: bytes) -> tuple[bytes, bytes]:
        out = hkdf(self.root, crypto_scalarmult(own, self.theirs), LABEL + b"root\x00", 96)
        self.root = out[:32]
        return out[32:64], out[64:]

    def turn_out(self) -> None:
        self.own = next(self.secrets)
        self.previous, self.sent, self.header_out = self.sent, 0, self.next_out
        self.sending, self.next_out = self.kdf(self.own)

    def seal(self, plaintext: bytes, lease_epoch: int, nonce: bytes) -> bytes:
        header = crypto_scalarmult_base(self.own) + pack(">IIHBQ", self.previous, self.sent, 0, 0, lease_epoch)
        message_key, self.sending = digest(self.sending, b"\x01", "sha256"), digest(self.sending, b"\x02", "sha256")
        self.sent += 1
        head = self.kind + nonce + ChaCha20Poly1305(self.header_out).encrypt(nonce, header, self.ad)
        return head + ChaCha20Poly1305(message_key).encrypt(nonce, plaintext, self.ad + head)

    def open(self, frame: bytes) -> tuple[bytes, int]:
        """Return plaintext and lease epoch."""
        for (header_key, number), message_key in self.skipped.items():
            header = self.header(frame, header_key)
            if header is not None and header[2] == number:
                del self.skipped[header_key, number]
                return self.body(frame, message_key), header[3]
        header = self.header(frame, self.header_in) if self.header_in else None
        if header is None:
            header = self.header(frame, self.next_in)
            assert header is not None
            self.skip(header[1])
            self.theirs, self.header_in, self.received = header[0], self.next_in, 0
            self.receiving, self.next_in = self.kdf(self.own)
            self.turn_out()
        self.skip(header[2])
        message_key = self.step()
        return self.body(frame, message_key), header[3]

    def skip(self, until: int) -> None:
        while self.receiving and self.received < until:
            at = self.received
            self.skipped[self.header_in, at] = self.step()

    def step(self) -> bytes:
        message_key = digest(self.receiving, b"\x01", "sha256")
        self.receiving = digest(self.receiving, b"\x02", "sha256")
        self.received += 1
        return message_key

    def header(self, frame: bytes, key: bytes) -> tuple[bytes, int, int, int] | None:
        """Return ratchet key, PN, N and lease epoch, if `key` fits."""
        try:
            plain = ChaCha20Poly1305(key).decrypt(frame[1:13], frame[13:80], self.ad)
        except InvalidTag:
            return None
        previous, number, _, _, lease_epoch = unpack(">IIHBQ", plain[32:])
        return plain[:32], previous, number, lease_epoch

    def body(self, frame: bytes, key: bytes) -> bytes:
        return ChaCha20Poly1305(key).decrypt(frame[1:13], frame[80:], self.ad + frame[:80])
