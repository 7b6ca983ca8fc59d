"""did:key: a single key as an identity, without a log. It never changes, and nobody can revoke it.

    did:key:MULTIKEY

Source: W3C CCG, "The did:key Method" 0.7.
"""

from __future__ import annotations

from typing import Final

from nacl.bindings import crypto_sign_ed25519_pk_to_curve25519
from nacl.exceptions import RuntimeError as NoPoint

from talos.core.did_document import DidDocument, Method, Use
from talos.core.multikey import KeyKind, multikey, read_multikey
from talos.errors import UsageError

DID_KEY_PREFIX: Final = "did:key:"

_SIGNING: Final = frozenset({Use.AUTHENTICATION, Use.ASSERTION, Use.INVOCATION, Use.DELEGATION})
_AGREEMENT: Final = frozenset({Use.AGREEMENT})


def did_key_of(kind: KeyKind, key: bytes) -> str:
    """Return the did:key of a public key of 32 bytes."""
    return DID_KEY_PREFIX + multikey(kind, key)


def parse_did_key(text: str) -> tuple[KeyKind, bytes]:
    """Return what `did_key_of` was given; only what it could have written is accepted. Raises `UsageError`."""
    if not text.startswith(DID_KEY_PREFIX):
        raise UsageError(f"{text[:80]!r} is no did:key", fix="Write did:key:z6Mk...")
    return read_multikey(text.removeprefix(DID_KEY_PREFIX))


def document_of_key(text: str) -> DidDocument:
    """Return the document of a did:key. That of an Ed25519 key has the X25519 key that follows from it, too.

    Raises `UsageError`, also for an Ed25519 key that is no point of the curve's prime group: it signs nothing.
    """
    kind, key = parse_did_key(text)
    if kind is KeyKind.X25519:
        return DidDocument(text, (Method(kind, key, _AGREEMENT),))
    try:
        agreement = crypto_sign_ed25519_pk_to_curve25519(key)
    except NoPoint:
        raise UsageError(f"{text} is no Ed25519 key: nobody can sign with it") from None
    return DidDocument(text, (Method(kind, key, _SIGNING), Method(KeyKind.X25519, agreement, _AGREEMENT)))
