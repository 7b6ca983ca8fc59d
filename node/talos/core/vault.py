"""Rows sealed at rest: key id u32 | nonce 12 | AES-256-GCM ciphertext and tag 16.

The table and the row's key are authenticated too, so a row moved elsewhere does not open. The key id
says under which storage key a row is sealed, so that old rows stay readable until they are sealed under a new one.
Nonces are random, so that a copy of a store or of a machine goes on with others: at most 2**32 rows under one key,
and the chance that two of them share a nonce is below 2**-32. The current key seals for a day; its cipher stays
expanded, so that a row takes half a microsecond.
Source: NIST SP 800-38D, sections 8.2.2 and 8.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from talos.core.dice import Entropy
from talos.core.names import LABEL_BOX
from talos.errors import Damaged, UsageError

KEY_SIZE: Final = 32  # Bytes.
KEY_ID_SIZE: Final = 4  # Bytes, big-endian.
NONCE_SIZE: Final = 12
OVERHEAD: Final = KEY_ID_SIZE + NONCE_SIZE + 16  # 32 bytes per row; the last 16 are the tag.


class Vault:
    """Seals with the `current` of `keys`, opens with any of them. Keys are by id, 0 .. 2**32 - 1.

    The one of the smallest id is kept for ever: boxes seal with it, for there are too many of their rows to be sealed
    anew. All others come and go (`turn`, `retire`).
    """

    __slots__ = ("_boxes", "_ciphers", "_keys", "_prefix", "_sealer", "current")

    def __init__(self, keys: Mapping[int, bytes], current: int) -> None:
        """Raises `UsageError` where a key is not 32 bytes, or `current` is not among them."""
        if current not in keys or any(len(key) != KEY_SIZE for key in keys.values()):
            raise UsageError(f"a vault needs keys of {KEY_SIZE} bytes, and the current one, {current}, among them")
        self._keys = dict(keys)
        self._ciphers = {_prefix(key_id): AESGCM(key) for key_id, key in keys.items()}
        self._prefix = _prefix(current)
        self._sealer = self._ciphers[self._prefix]
        self._boxes: dict[str, Box] = {}
        self.current = current

    @property
    def keys(self) -> Mapping[int, bytes]:
        """All keys, by id: what the keystore must hold."""
        return self._keys

    @property
    def kept(self) -> int:
        """The id of the key that is never retired."""
        return min(self._keys)

    def turn(self, key_id: int, key: bytes) -> None:
        """Seal under another key from now on. Raises `UsageError` for an id that does not come after all others."""
        if key_id <= max(self._keys) or len(key) != KEY_SIZE:
            raise UsageError(f"a new storage key has {KEY_SIZE} bytes, and an id above {max(self._keys)}")
        self._keys[key_id], self._prefix, self.current = key, _prefix(key_id), key_id
        self._sealer = self._ciphers[self._prefix] = AESGCM(key)

    def retire(self) -> None:
        """Forget every key but the current one and the one that is kept: what they have sealed is gone."""
        self._keys = {key_id: self._keys[key_id] for key_id in (self.kept, self.current)}
        self._ciphers = {prefix: self._ciphers[prefix] for prefix in map(_prefix, self._keys)}

    def is_current(self, sealed: bytes) -> bool:
        """Say whether a sealed row is under the current key."""
        return sealed.startswith(self._prefix)

    def seal(self, table: str, row_key: bytes, plaintext: bytes, entropy: Entropy) -> bytes:
        """Return the sealed row, `OVERHEAD` bytes longer than `plaintext`."""
        nonce = entropy(NONCE_SIZE)
        return self._prefix + nonce + self._sealer.encrypt(nonce, plaintext, _place(table, row_key))

    def open(self, table: str, row_key: bytes, sealed: bytes) -> bytes:
        """Return the plaintext. Raises `Damaged`, naming the table, if it is not as it was sealed there."""
        cipher = self._ciphers.get(sealed[:KEY_ID_SIZE])
        if cipher is None or len(sealed) < OVERHEAD:
            raise Damaged(f"a row of {table} is cut short, or sealed under a key that is not in the keystore")
        nonce = sealed[KEY_ID_SIZE : KEY_ID_SIZE + NONCE_SIZE]
        try:
            return cipher.decrypt(nonce, sealed[KEY_ID_SIZE + NONCE_SIZE :], _place(table, row_key))
        except InvalidTag:
            raise Damaged(f"a row of {table} does not open: it was changed, or moved from another row") from None

    def box(self, table: str) -> Box:
        """Return what seals the rows of one table, which are too many to be sealed anew, under a key of its own."""
        box = self._boxes.get(table)
        if box is None:
            box = self._boxes[table] = Box(table, self.kept, self._keys[self.kept])
        return box

    def __repr__(self) -> str:
        return f"Vault({len(self._keys)} keys)"


class Box:
    """As a vault, for one table, under a key that HKDF makes of the key that is kept: 2**32 rows of it in all."""

    __slots__ = ("_cipher", "_prefix", "_table")

    def __init__(self, table: str, key_id: int, key: bytes) -> None:
        self._table = table
        self._prefix = _prefix(key_id)
        self._cipher = AESGCM(HKDF(SHA256(), KEY_SIZE, salt=None, info=LABEL_BOX + table.encode()).derive(key))

    def seal(self, place: bytes, plaintext: bytes, nonce: bytes) -> bytes:
        """Return the sealed row, `OVERHEAD` bytes longer. `nonce` is fresh from the dice, 12 bytes.

        `place` is what the row is bound to: its key, and whatever it must not be seen apart from.
        """
        return self._prefix + nonce + self._cipher.encrypt(nonce, plaintext, place)

    def open(self, place: bytes, sealed: bytes) -> bytes:
        """Return the plaintext. Raises `Damaged`, naming the table, if it is not as it was sealed there."""
        if not sealed.startswith(self._prefix) or len(sealed) < OVERHEAD:
            raise Damaged(f"a row of {self._table} is cut short, or sealed under a key that is not in the keystore")
        nonce = sealed[KEY_ID_SIZE : KEY_ID_SIZE + NONCE_SIZE]
        try:
            return self._cipher.decrypt(nonce, sealed[KEY_ID_SIZE + NONCE_SIZE :], place)
        except InvalidTag:
            raise Damaged(
                f"a row of {self._table} does not open: it, or what it belongs to, was changed or moved"
            ) from None


def _prefix(key_id: int) -> bytes:
    return key_id.to_bytes(KEY_ID_SIZE, "big")


def _place(table: str, row_key: bytes) -> bytes:
    # Table names hold no zero byte, so no two places are written alike.
    return table.encode() + b"\x00" + row_key
