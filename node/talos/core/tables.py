"""The tables of a node's two stores: one named, ordered byte map each.

All numbers in keys are big-endian, so that the order of keys is the order of numbers. "Sealed" means: under
the storage key, with table and row key as associated data (`talos.core.vault`).
"""

from __future__ import annotations

from typing import Final

META: Final = "meta"  # name -> facts about this store: our DID, name, message origin.
SECRETS: Final = "secrets"  # name -> sealed private keys of this instance.
KEYLOGS: Final = "keylogs"  # DID hash 32 -> key log, verbatim: our own and every peer's.
PEERS: Final = "peers"  # DID hash 32 -> addresses that the user gave us.
PARTIES: Final = "parties"  # DID hash 32 | session id 16 -> the party record that opened the session.
PREKEYS: Final = "prekeys"  # prekey id u32 -> sealed signed prekey and last-resort prekey, made together.
SEEN: Final = "seen"  # prekey id u32 | ephemeral 32 -> nothing: an opening on the last-resort prekey, taken once.
SESSIONS: Final = "sessions"  # DID hash 32 | session id 16 | tag -> sealed ratchet state.
OUTBOX: Final = "outbox"  # receiver DID hash 32 | seq u64 -> phase, count and sealed body of a message.
FRAMES: Final = "frames"  # receiver DID hash 32 | seq u64 -> session id 16 | the one frame that is sent for it.
INBOX: Final = "inbox"  # arrival u64 -> sender DID hash 32 | origin 16 | seq u64 | received ms u64 | sealed body.
MARKS: Final = "marks"  # DID hash 32 [| origin 16] -> next seq to it and its origin [highest seq taken]; kept for ever.
ENTRIES: Final = "entries"  # index u64 -> audit leaf, verbatim; no gaps, only `talos.services.commit` appends.

CARDS: Final = "cards"  # DID hash 32 -> another node's card, as fetched.

STATE_TABLES: Final = (
    META,
    SECRETS,
    KEYLOGS,
    PEERS,
    PARTIES,
    PREKEYS,
    SEEN,
    SESSIONS,
    OUTBOX,
    FRAMES,
    INBOX,
    MARKS,
    ENTRIES,
)
CACHE_TABLES: Final = (CARDS,)


def entry_key(index: int) -> bytes:
    """Return the key (8 bytes) of audit entry `index`, 0 .. 2**64 - 1, in table `entries`."""
    return index.to_bytes(8, "big")
