"""The storage key comes to its end once a day: all it has sealed is sealed anew, and then it is destroyed.

A database does not overwrite what it deletes: for a while its file still has every row that ever was. Without the key
these are noise. The order: the new key is in the keystore before anything is sealed under it; the old one leaves it
when nothing is. After a crash in between both are there, and the rest is done then.

Audit bodies are not sealed anew, for they are too many: their key is kept (`Vault.kept`). Row: `meta` storage -> when
the current key was made, ms UTC, u64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from talos.core import inbox, outbox
from talos.core.dice import Entropy
from talos.core.step import Put
from talos.core.tables import INBOX, META, OUTBOX, PREKEYS, SECRETS, SESSIONS, Rows
from talos.core.vault import KEY_SIZE, Vault

TURN_MS: Final = 24 * 3_600 * 1_000  # A deleted row stays readable to who steals the disk and its passphrase for a day.
KEPT_ID: Final = 1  # Of the first two keys: what audit bodies are sealed under, for ever ...
FIRST_ID: Final = 2  # ... and what the other rows are, until the first turn.
STORAGE_KEY: Final = b"storage"
ROWS_MAX: Final = 256  # Looked at in one transaction: what else is to be written waits so long.
SIZE_MAX: Final = 1024 * 1024  # Bytes of rows after which it ends too: a nearly full store must have room for them.

SEALED_TABLES: Final[Mapping[str, int]] = {  # Table -> bytes in front of what is sealed.
    SECRETS: 0,
    PREKEYS: 0,
    SESSIONS: 0,
    OUTBOX: outbox.HEAD_SIZE,
    INBOX: inbox.HEAD_SIZE,
}


Keep = Callable[[Mapping[int, bytes], int], None]
"""(storage keys by id, id of the current one) -> None once they are in the keystore, durably. Blocks.

Raises `StoreFailed`, and then either the old ones or these are there.
"""


def new_vault(entropy: Entropy) -> Vault:
    """Return the vault of a new identity."""
    return Vault({KEPT_ID: entropy(KEY_SIZE), FIRST_ID: entropy(KEY_SIZE)}, FIRST_ID)


def made_at(now_ms: int) -> Put:
    """Return the row that says when the current key was made."""
    return Put(META, STORAGE_KEY, now_ms.to_bytes(8, "big"))


def is_due(rows: Rows, vault: Vault, now_ms: int) -> bool:
    """Say whether a new key is to be made: the current one is a day old, or from the future, or seals bodies too."""
    made = rows.get(META, STORAGE_KEY)
    age_ms = TURN_MS if made is None else now_ms - int.from_bytes(made, "big")
    return vault.current == vault.kept or not 0 <= age_ms < TURN_MS


def is_half_done(vault: Vault) -> bool:
    """Say whether there are keys that nothing should be sealed under any more."""
    return not vault.keys.keys() <= {vault.kept, vault.current}


class Resealing:
    """One pass over all rows. Each `batch` is committed before anything else is, or a newer row would be undone."""

    def __init__(self, rows: Rows, vault: Vault, entropy: Entropy) -> None:
        self._rows = rows
        self._vault = vault
        self._entropy = entropy
        self._left = list(SEALED_TABLES.items())
        self._start = b""

    def batch(self) -> list[Put] | None:
        """Return rows sealed under the current key, perhaps none; None when the pass is over. Raises `Damaged`."""
        if not self._left:
            return None
        (table, head), writes, size = self._left[0], list[Put](), 0
        for looked, (key, value) in enumerate(self._rows.scan(table, start=self._start), 1):
            sealed = value[head:]
            if sealed and not self._vault.is_current(sealed):
                body = self._vault.open(table, key, sealed)
                writes.append(Put(table, key, value[:head] + self._vault.seal(table, key, body, self._entropy)))
            size += len(value)
            if looked == ROWS_MAX or size >= SIZE_MAX:
                self._start = key + b"\x00"
                return writes
        self._left.pop(0)
        self._start = b""
        return writes
