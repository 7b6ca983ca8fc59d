"""What publishers sign: when to believe it, and which of two is the newer.

Whoever holds a statement may pass it on, and nobody can change it or make it live longer: number and end are signed. It
is checked when it is stored and when it is read, against the key that was the identity's at the key-log event it names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from talos_dht.contact import ID_SIZE, KEY_SIZE, hashed
from talos_dht.errors import BadStatement, KeyLogUnknown

LABEL_PLACE: Final = b"talos/v1/dht-place"  # Hash of whom or what it is about, and a salt: where it lies.

DID_SIZE: Final = 32  # Bytes of a DID hash.
HASH_SIZE: Final = 32  # Bytes: SHA-256.
SIGNATURE_SIZE: Final = 64  # Bytes: Ed25519.
SEQ_MAX: Final = 2**63 - 1  # Of a statement, and of a lease epoch.
LOG_SEQ_MAX: Final = 2**32 - 1  # Of an event of a key log.
TIME_MS_MAX: Final = 2**48 - 1  # The year 10889.
LIFE_MS: Final = 14_400_000  # Four hours: how long a publisher may have it held. It is published anew every hour.
SKEW_MS: Final = 600_000  # By so much the clocks of publisher and holder may differ.
REPUBLISH_MS: Final = 3_600_000  # And up to a tenth less, drawn, so that not all are published at once.

KeyOf = Callable[[bytes, int, bytes], bytes | None]
"""(did, seq, digest) -> the Ed25519 key that may sign at this event of that key log; None if the log, or so much of it,
is not known. Raises `BadStatement` if the log has another event there, or that key counts no more."""

Sign = Callable[[bytes], bytes]
Rank = tuple[int, int, bytes]


class Statement(Protocol):
    """What records and providers have in common."""

    @property
    def did(self) -> bytes: ...
    @property
    def log_seq(self) -> int: ...
    @property
    def log_digest(self) -> bytes: ...
    @property
    def seq(self) -> int: ...
    @property
    def expires_ms(self) -> int: ...
    @property
    def signature(self) -> bytes: ...
    def encode(self) -> bytes: ...
    def message(self) -> bytes:
        """Return what the signature covers: label, 00, the array of all fields before it."""
        ...


def place_of(subject: bytes, salt: int) -> bytes:
    """Return the target, 20 bytes, at which what is about a DID hash or a topic (32 bytes) lies.

    Nobody can choose it: else a provider could be laid before somebody's record.
    """
    return hashed(LABEL_PLACE, subject + bytes([salt]))[:ID_SIZE]


def rank(statement: Statement) -> Rank:
    """Return what the newer of two has more of: of key-log events, then of its own numbering. Equal, any order does,
    if all have the same."""
    return statement.log_seq, statement.seq, statement.encode()


def check(statement: Statement, key_of: KeyOf, utc_ms: int) -> None:
    """Raises `BadStatement`, or `KeyLogUnknown` where nobody can tell yet. What is cheap is looked at first."""
    check_time(statement, utc_ms)
    check_signer(statement, key_of)


def check_time(statement: Statement, utc_ms: int) -> None:
    """Raises `BadStatement`."""
    if statement.expires_ms <= utc_ms:
        raise BadStatement(f"it was good until {statement.expires_ms} ms, and it is {utc_ms} ms")
    if statement.expires_ms > utc_ms + LIFE_MS + SKEW_MS:
        raise BadStatement(f"it would be good for {statement.expires_ms - utc_ms} ms, more than {LIFE_MS}")


def check_signer(statement: Statement, key_of: KeyOf, before: bytes | None = None) -> bytes:
    """Return the key that has signed it; what was returned `before` need not be tried again, if it still counts.

    Raises `BadStatement` or `KeyLogUnknown`.
    """
    key = key_of(statement.did, statement.log_seq, statement.log_digest)
    if key is None:
        raise KeyLogUnknown(f"event {statement.log_seq} of its key log is not known")
    if len(key) != KEY_SIZE:
        raise BadStatement(
            f"the key of that event has {len(key)} bytes, not {KEY_SIZE}"
        )  # It reads 32, whatever is there.
    if key == before:
        return key
    try:
        crypto_sign_open(statement.signature + statement.message(), key)
    except BadSignatureError:
        raise BadStatement("it is not signed by the identity it names") from None
    return key
