"""What a node does with sessions and messages, as entries of its audit log.

The subject is always the peer, so that everything about one peer is found together. What a message says is never
in an entry: where it is at hand, a commitment under a salt of its own is. The salt is in no proof, so that nobody can
guess a short message by it; whoever holds the entry can give it away with the message.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from talos.core.dice import Entropy
from talos.core.entries import SALT_SIZE, Entry
from talos.core.entry_types import EntryType, MessageEvent, SessionEvent, Side, write_body
from talos.core.names import LABEL_CONTENT, digest


def sent(us: bytes, peer: bytes, origin: bytes, seq: int, content: bytes, now_ms: int, entropy: Entropy) -> Entry:
    """A message of ours was accepted. `us` and `peer` are DID hashes."""
    return _with_content(MessageEvent.SENT, us, peer, origin, seq, content, now_ms, entropy, subject=peer)


def received(us: bytes, peer: bytes, origin: bytes, seq: int, content: bytes, now_ms: int, entropy: Entropy) -> Entry:
    """A message of the peer's is in our inbox."""
    return _with_content(MessageEvent.RECEIVED, peer, us, origin, seq, content, now_ms, entropy, subject=peer)


def _with_content(
    event: MessageEvent,
    sender: bytes,
    receiver: bytes,
    origin: bytes,
    seq: int,
    content: bytes,
    now_ms: int,
    entropy: Entropy,
    *,
    subject: bytes,
) -> Entry:
    salt = entropy(SALT_SIZE)
    commitment = content_commitment(salt, content)
    body = write_body(EntryType.MESSAGE, event, sender, receiver, origin, seq, 1, len(content), commitment)
    return Entry(EntryType.MESSAGE, now_ms, subject, body, content_salt=salt)


def content_commitment(salt: bytes, content: bytes) -> bytes:
    """Return what an entry says of a message's content: 32 bytes."""
    return digest(LABEL_CONTENT, salt + content)


def delivered(us: bytes, peer: bytes, origin: bytes, seqs: Iterable[int], now_ms: int) -> list[Entry]:
    """The peer has acknowledged messages of ours: one entry per run of numbers. `seqs` ascend."""
    return [
        _without_content(MessageEvent.DELIVERED, us, peer, origin, run, now_ms, subject=peer) for run in _runs(seqs)
    ]


def given_up(us: bytes, peer: bytes, origin: bytes, seq: int, now_ms: int) -> Entry:
    """A message of ours became void before it was acknowledged."""
    return _without_content(MessageEvent.VOID, us, peer, origin, range(seq, seq + 1), now_ms, subject=peer)


def done(us: bytes, peer: bytes, origin: bytes, seq: int, now_ms: int) -> Entry:
    """Our application is done with a message of the peer's."""
    return _without_content(MessageEvent.DONE, peer, us, origin, range(seq, seq + 1), now_ms, subject=peer)


def _without_content(
    event: MessageEvent, sender: bytes, receiver: bytes, origin: bytes, seqs: range, now_ms: int, *, subject: bytes
) -> Entry:
    body = write_body(EntryType.MESSAGE, event, sender, receiver, origin, seqs.start, len(seqs), 0, b"")
    return Entry(EntryType.MESSAGE, now_ms, subject, body)


def session(event: SessionEvent, peer: bytes, session_id: bytes, now_ms: int, *, initiated: bool) -> Entry:
    """A session with the peer began or ended; `initiated`: by us."""
    side = Side.INITIATOR if initiated else Side.RESPONDER
    body = write_body(EntryType.SESSION, event, peer, session_id, side)
    return Entry(EntryType.SESSION, now_ms, peer, body)


def session_reset(peer: bytes, session_id: bytes, reason: str, now_ms: int) -> Entry:
    """A session was given up by us: the next greeting makes a new one in its place."""
    return Entry(EntryType.SESSION_RESET, now_ms, peer, write_body(EntryType.SESSION_RESET, peer, session_id, reason))


def _runs(seqs: Iterable[int]) -> list[range]:
    """Return ascending numbers as runs without gaps."""
    numbers = list(seqs)
    if not numbers:
        return []
    breaks = [at for at, (one, other) in enumerate(pairwise(numbers), start=1) if other != one + 1]
    bounds = [0, *breaks, len(numbers)]
    return [range(numbers[start], numbers[stop - 1] + 1) for start, stop in pairwise(bounds)]
