"""What this node tells the world of itself: the record of its identity, signed."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from talos.core.identity import Identity
from talos_dht import LIFE_MS, Address, Instance, Provider, Record, topic_of
from talos_dht.record import ADDRESSES_MAX
from talos_dht.statement import SEQ_MAX

COUNT_SIZE: Final = 8  # Bytes of the row that keeps the number of our newest statement.


def own_record(me: Identity, bundle: bytes, addresses: Sequence[Address], seq: int, now_ms: int) -> Record:
    """Return the record that says where this instance can be dialled. Only the first two addresses fit.

    Raises `talos_dht.Malformed` for an address that nobody could read.
    """
    state = me.key_log.state
    return Record(
        did=state.did,
        log_seq=state.seq,
        log_digest=state.digest,
        instances=(Instance(me.party.ed25519, 0, tuple(addresses[:ADDRESSES_MAX])),),
        bundle=sha256(bundle).digest(),
        seq=seq,
        expires_ms=now_ms + LIFE_MS,
    ).signed(me.sign_identity)


def own_provider(me: Identity, topic: str, seq: int, now_ms: int) -> Provider:
    """Return the statement that this identity offers a topic."""
    state = me.key_log.state
    return Provider(
        topic=topic_of(topic),
        did=state.did,
        log_seq=state.seq,
        log_digest=state.digest,
        seq=seq,
        expires_ms=now_ms + LIFE_MS,
    ).signed(me.sign_identity)


def next_seq(newest: bytes | None, now_ms: int) -> int:
    """Return a number above that of all our statements: the time, unless the clock was set back.

    A row that is damaged, and says a number that nothing may have, says nothing.
    """
    used = int.from_bytes(newest or b"", "big")
    return max(now_ms, 1 + used) if used < SEQ_MAX else now_ms
