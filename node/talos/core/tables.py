"""The tables of a node's two stores: one named, ordered byte map each.

All numbers in keys are big-endian, so that the order of keys is the order of numbers. "Sealed" means: under
the storage key, with table and row key as associated data (`talos.core.vault`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

META: Final = "meta"  # name -> facts about this store: our DID, name, message origin.
SECRETS: Final = "secrets"  # name -> sealed private keys of this instance.
KEYLOGS: Final = "keylogs"  # DID hash 32 -> key log, verbatim: our own and every peer's.
NEWCOMERS: Final = "newcomers"  # DID hash 32 -> arrival u64: who proved itself and exchanged no message yet.
PEERS: Final = "peers"  # DID hash 32 -> addresses that the user gave us.
PARTIES: Final = "parties"  # DID hash 32 | session id 16 -> the party record that opened the session.
PREKEYS: Final = "prekeys"  # prekey id u32 -> sealed signed prekey and last-resort prekey, made together.
SEEN: Final = "seen"  # prekey id u32 | ephemeral 32 -> nothing: an opening on the last-resort prekey, taken once.
SESSIONS: Final = "sessions"  # DID hash 32 | session id 16 | tag -> sealed ratchet state.
OUTBOX: Final = "outbox"  # receiver DID hash 32 | seq u64 -> phase, count and sealed body of a message.
FRAMES: Final = "frames"  # receiver DID hash 32 | seq u64 -> session id 16 | the one frame that is sent for it.
INBOX: Final = "inbox"  # arrival u64 -> sender DID hash 32 | origin 16 | seq u64 | received ms u64 | sealed body.
MARKS: Final = "marks"  # DID hash 32 [| origin 16] -> next seq to it and its origin [highest seq taken]; kept for ever.
ENTRIES: Final = "entries"  # index u64 -> audit leaf, verbatim; no gaps, only `talos.core.diary` appends.
BODIES: Final = "bodies"  # index u64 -> what the leaf commits to, sealed; gone once it is erased.
TREE: Final = "tree"  # 255 - level u8 | row u64 -> up to 16 hashes of that level; level 0 last, because it grows most.
LOOKUP: Final = "lookup"  # "t" | type u16, or "p" | first 16 bytes of a DID hash; | bundle u64 -> 256 bits.

CARDS: Final = "cards"  # DID hash 32 -> another node's card, as fetched.
HELD: Final = "held"  # place 20 | DID hash 32 -> 00 | record, or 01 | provider: what we hold for others in the DHT.
VOUCHERS: Final = "vouchers"  # DID hash 32 -> key log, verbatim, of whom a statement is that we hold or looked for.
DHT: Final = "dht"  # name -> the contacts we had, the number of our newest statement.

STATE_TABLES: Final = (
    META,
    SECRETS,
    KEYLOGS,
    NEWCOMERS,
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
    BODIES,
    TREE,
    LOOKUP,
)
APPENDED_TABLES: Final = frozenset({ENTRIES, BODIES, TREE})  # New keys come (nearly) always after all others.
CACHE_TABLES: Final = (CARDS, HELD, VOUCHERS, DHT)


class Rows(Protocol):
    """The reading half of a store."""

    def get(self, table: str, key: bytes) -> bytes | None: ...

    def scan(
        self, table: str, prefix: bytes = b"", *, start: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield rows whose key begins with `prefix`, from the first key >= `start`, in key order.

        In reverse: from the last key <= `start` downwards; without a `start`, from the last key of the prefix.
        """


def entry_key(index: int) -> bytes:
    """Return the key (8 bytes) of audit entry `index`, 0 .. 2**64 - 1, in table `entries`."""
    return index.to_bytes(8, "big")


def tree_key(level: int, row: int) -> bytes:
    """Return the key (9 bytes) of a row of hashes: `level` 0, 4, 8 .. 60, `row` from 0."""
    return bytes((255 - level,)) + row.to_bytes(8, "big")
