"""What identities, instances and peers are called, and the labels that keep their signatures apart.

peer_id = base32 (RFC 4648 section 6, lower case, unpadded: 52 characters) of the 32-byte DID hash;
did = "did:talos:" + peer_id. Both are accepted wherever a peer is named. Every label ends up in
SHA-256 or Ed25519 as label | 00 | bytes, so nothing signed for one purpose is valid for another.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from binascii import Error as Base32Error
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from talos.core import codec
from talos.errors import UsageError

LABEL_INCEPTION: Final = b"talos/v1/inception"  # Hash of the inception body: the DID.
LABEL_EVENT_DIGEST: Final = b"talos/v1/event-digest"  # Hash of an event body: what the next event points at.
LABEL_EVENT: Final = b"talos/v1/event"  # Signature over a key-log event body.
LABEL_NEXT_KEY: Final = b"talos/v1/next-key"  # Hash of the rotation key that the next rank-1 event reveals.
LABEL_ROTATION_KEY: Final = b"talos/v1/rotation-key"  # HKDF info, followed by the key's number as u32.
LABEL_GOVERNOR: Final = b"talos/v1/governor"  # Hash of salt | governor DID: the governor commitment.
LABEL_INSTANCE: Final = b"talos/v1/instance"  # Hash of an instance's Ed25519 key: the instance id.
LABEL_INCARNATION: Final = b"talos/v1/incarnation"  # Signature of an instance over one boot of itself.
LABEL_PARTY_IDENTITY: Final = b"talos/v1/party-identity"  # Signature of the identity over a party record.
LABEL_PARTY_INSTANCE: Final = b"talos/v1/party-instance"  # Signature of the instance over a party record.
LABEL_LOG: Final = b"talos/v1/audit-log"  # Signature of the instance over the card of its audit log.
LABEL_SUBJECT: Final = b"talos/v1/audit-subject"  # Hash of salt | DID hash: whom an audit entry is about.
LABEL_BODY: Final = b"talos/v1/audit-body"  # Hash of salt | body of an audit entry.
LABEL_CONTENT: Final = b"talos/v1/audit-content"  # Hash of salt | content of a message.
LABEL_BOX: Final = b"talos/v1/box/"  # HKDF info, followed by the name of the table: the key of a `Box`.
LABEL_SAMPLE: Final = b"talos/v1/audit-sample"  # Hash of a frame that was refused.

DID_SIZE: Final = 32  # Bytes of a DID hash: SHA-256.
PEER_ID_LENGTH: Final = 52  # Characters: 256 bits at 5 bits each, rounded up.
DID_PREFIX: Final = "did:talos:"
HOST_LENGTH_MAX: Final = 255  # Characters of a host name: RFC 1035, section 2.3.4.
PORT_MAX: Final = 65_535

_PEER_FIX: Final = "Copy it from `talos whoami` on the peer: 52 letters and digits, with or without did:talos:"
_ADDRESS_FIX: Final = "Write it as DID@HOST:PORT, an IPv6 host in brackets, as `talos whoami` prints it"
_PLACE_FIX: Final = "Write HOST:PORT, an IPv6 host in brackets"


def digest(label: bytes, body: bytes) -> bytes:
    """Return SHA-256(label, 00, body): 32 bytes."""
    return sha256(codec.signed(label, body)).digest()


def instance_id(instance_ed25519: bytes) -> bytes:
    """Return the 32-byte name of the instance that holds this Ed25519 key."""
    return digest(LABEL_INSTANCE, instance_ed25519)


@lru_cache(maxsize=4_096)  # A node says the same few names again and again: its own and those of its peers.
def name_of(hash: bytes) -> str:
    """Return the 52-character name of a 32-byte hash: base32, lower case, unpadded."""
    return b32encode(hash).decode("ascii").rstrip("=").lower()


def peer_id_of(did_hash: bytes) -> str:
    """Return the 52-character name of a 32-byte DID hash."""
    return name_of(did_hash)


def did_of(did_hash: bytes) -> str:
    return DID_PREFIX + peer_id_of(did_hash)


@lru_cache(maxsize=4_096)  # The audit log says the same names again and again.
def did_or_nobody(did_hash: bytes) -> str:
    """Return the DID; "" where nobody is known, and the hash is empty."""
    return did_of(did_hash) if did_hash else ""


@lru_cache(maxsize=4_096)
def parse_peer(text: str) -> bytes:
    """Return the DID hash (32 bytes) that a peer id or a DID names.

    Only what `peer_id_of` or `did_of` could have written is accepted: lower case, no padding, no
    stray bits in the last character. Raises `UsageError`.
    """
    peer_id = text.removeprefix(DID_PREFIX)
    if len(peer_id) == PEER_ID_LENGTH and peer_id.isascii():
        try:
            did_hash = b32decode(peer_id.upper() + "====")
        except Base32Error:
            did_hash = b""
        if did_hash and peer_id_of(did_hash) == peer_id:
            return did_hash
    raise UsageError(f"{text[:80]!r} names no peer", fix=_PEER_FIX)


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """A peer, and one place where it listens: written DID@HOST:PORT."""

    did: bytes  # The DID hash, 32 bytes.
    host: str  # A host name or IP address; v6 without brackets.
    port: int  # TCP, 1..65535.

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{did_of(self.did)}@{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> PeerAddress:
        """Read `DID@HOST:PORT`, where DID may be a peer id. Raises `UsageError`."""
        peer, at, place = text.partition("@")
        if not at:
            raise UsageError(f"{text[:80]!r} is no peer address", fix=_ADDRESS_FIX)
        return cls(parse_peer(peer), *parse_place(place, port_least=1))


def parse_place(text: str, *, port_least: int) -> tuple[str, int]:
    """Read HOST:PORT, an IPv6 host in brackets, which are not part of what is returned. Raises `UsageError`."""
    host, colon, port = text.rpartition(":")
    if not colon:
        raise UsageError(f"{text[:80]!r} is no address", fix=_PLACE_FIX)
    return _host(host), _port(port, port_least)


def is_place(text: str) -> bool:
    """Say whether this is HOST:PORT, as `parse_place` reads it, with a port that can be dialled."""
    try:
        parse_place(text, port_least=1)
    except UsageError:
        return False
    return True


def _host(text: str) -> str:
    bracketed = text.startswith("[") and text.endswith("]")
    host = text[1:-1] if bracketed else text
    # No comma, because a list of addresses in the environment is separated by them.
    legal = host.isascii() and host.isprintable() and not set(host) & set(" []@/,")
    if not legal or not 1 <= len(host) <= HOST_LENGTH_MAX or bracketed != (":" in host):
        raise UsageError(f"{text[:80]!r} is no host", fix=_PLACE_FIX)
    return host


def _port(text: str, least: int) -> int:
    # int() alone would accept "+80", "8_0", "080" and digits of other scripts.
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(PORT_MAX)) and text == str(int(text))
    if not is_number or not least <= int(text) <= PORT_MAX:
        raise UsageError(f"{text[:80]!r} is no port from {least} to {PORT_MAX}", fix=_PLACE_FIX)
    return int(text)
