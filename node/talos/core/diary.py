"""The audit log of this instance while it grows: entries in, rows out, and a checkpoint signed now and then.

One diary per store, used by one thread at a time. The order that makes it safe:

1. `append` gives entries their indexes and returns their rows; `changed` those of the tree.
2. The caller commits them, in the transaction of whatever they tell of.
3. Only then `sign` reads back from the disk what no checkpoint covers yet, hashes it once more, and signs if that
   leads to the root that memory holds. A bit that flipped in memory is found here; signed, it would stay for ever.
4. The caller commits the signed checkpoint; only then may anybody be shown it.

Rows: `meta` log -> the log's card, checkpoint -> the newest signed checkpoint, indexed -> how far the index reaches;
`secrets` log -> its key, sealed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from nacl.signing import SigningKey

from talos.core import codec
from talos.core.dice import Entropy
from talos.core.entries import DICE_SIZE, Entry, Leaf, Opened, write_entry
from talos.core.entry_types import EntryType
from talos.core.keylog_keys import SEED_SIZE, Sign, signer
from talos.core.log_card import FIRST_GENERATION, LogCard, make_card
from talos.core.log_index import BUNDLE, INDEXED_KEY, Index, indexed, of_subject, of_type
from talos.core.log_rows import DAMAGE_FIX, body_place, leaf_hashes, leaves, next_index, rebuilt, traces
from talos.core.step import Put
from talos.core.tables import (
    BODIES,
    ENTRIES,
    META,
    SECRETS,
    TREE,
    Rows,
    entry_key,
    tree_key,
)
from talos.core.vault import NONCE_SIZE, Vault
from talos.errors import Damaged
from talos_audit import (
    EMPTY_ROOT,
    HASH_SIZE,
    ROW_HASHES,
    AuditError,
    Checkpoint,
    Tree,
    leaf_hash,
    open_checkpoint,
    sign_checkpoint,
)

CARD_KEY: Final = b"log"
CHECKPOINT_KEY: Final = b"checkpoint"
LOG_KEY: Final = b"log"
ENTRY_DICE: Final = DICE_SIZE + NONCE_SIZE  # Bytes of entropy that an entry takes.
new_row: Final = tuple.__new__  # Puts by hundreds: a named tuple's own constructor takes twice as long.
TYPE_PREFIXES: Final = {type: of_type(type) for type in EntryType}
RECHECKED: Final = 256  # Entries at the end that every opening hashes again: where a crash would show.


class Diary:
    """Memory may be ahead of the disk between `append` and the commit; if that fails, call `reload`."""

    __slots__ = (
        "_box",
        "_entropy",
        "_flaw",
        "_flaws",
        "_index",
        "_is_new",
        "_mended",
        "_pack",
        "_proven",
        "_rows",
        "_sign",
        "_signed_size",
        "_tree",
        "card",
        "checkpoint",
    )

    def __init__(
        self, rows: Rows, card: LogCard, sign: Sign, vault: Vault, entropy: Entropy, *, is_new: bool = False
    ) -> None:
        """Raises `Damaged` where the rows contradict each other or the last checkpoint; a new log needs none yet."""
        self._rows = rows
        self._sign = sign
        self._box = vault.box(BODIES)
        self._entropy = entropy
        self._pack = codec.packer()
        self._is_new = is_new
        self._flaw: str | None = None  # Once set, nothing is appended or signed any more ...
        self._mended: dict[tuple[int, int], bytes] = {}  # Rows of hashes that are wrong on disk, as they should be.
        self._flaws = 0  # ... until it was read from the disk again; the second time, for good.
        self.card = card
        self.checkpoint: bytes | None = None  # The newest signed one that is on disk.
        self.reload()

    @classmethod
    def open(cls, rows: Rows, vault: Vault, entropy: Entropy, *, is_new: bool = False) -> Diary:
        """Raises `Damaged`. `is_new`: nobody has signed it yet."""
        raw, sealed = rows.get(META, CARD_KEY), rows.get(SECRETS, LOG_KEY)
        if raw is None or sealed is None:
            raise Damaged("the store has lost the key of its audit log", fix=DAMAGE_FIX)
        key = SigningKey(vault.open(SECRETS, LOG_KEY, sealed))
        card = LogCard.decode(raw)
        if card.key != key.verify_key.encode():
            raise Damaged("the key of the audit log is another than its card says", fix=DAMAGE_FIX)
        return cls(rows, card, signer(key), vault, entropy, is_new=is_new)

    def reload(self) -> None:
        """Forget what is in memory, and take what is on disk. Raises `Damaged`.

        Rows of hashes that are not full yet are written again and again, so what was wrong in memory may have been
        written over what was right. They are made anew, from the leaves, and go to disk with the next commit.
        """
        rows, size = self._rows, next_index(self._rows)
        if self._flaws <= 1:
            self._flaw = None
        self._index = Index(rows)
        with _damaged():
            signed = self._open_checkpoint(size)
            self._signed_size = signed.size
            start = signed.size // ROW_HASHES * ROW_HASHES  # All rows below it are full, and signed for.
            self._recheck(start)
            hashes = leaf_hashes(rows, start, size)
            read = rebuilt(rows, start, hashes)
            self._proven, self._tree = Tree.load(signed.size, read), Tree.load(signed.size, read)
            if self._proven.root() != signed.root:
                raise Damaged("the audit log is not the one that was signed for", fix=DAMAGE_FIX)
            if signed.size and (marked := indexed(rows)) != signed.size:
                raise Damaged(
                    f"the index of the audit log covers {marked} entries, and {signed.size} were signed for",
                    fix=DAMAGE_FIX,
                )
        if size != traces(rows):
            raise Damaged(
                f"the audit log was cut short: it has {size} entries, and left traces of more", fix=DAMAGE_FIX
            )
        self._tree.extend(hashes[signed.size - start :])
        self._mended = {
            (level, row): value
            for level, row, value in (*self._tree.changed(), *self._tree.edge())
            if value != self._read_row(level, row)
        }
        self._index_again()

    def _open_checkpoint(self, size: int) -> Checkpoint:
        """Return the newest signed checkpoint of a log of `size` entries. Raises `Damaged` or `AuditError`."""
        self.checkpoint = self._rows.get(META, CHECKPOINT_KEY)
        if self.checkpoint is None:
            if not self._is_new:
                raise Damaged("the audit log has lost its checkpoint", fix=DAMAGE_FIX)
            return Checkpoint(self.card.origin, 0, EMPTY_ROOT)
        signed = open_checkpoint(self.checkpoint, self.card.verifier)
        if signed.size > size:
            raise Damaged(
                f"the audit log was cut short: {signed.size} entries were signed for, {size} are there", fix=DAMAGE_FIX
            )
        return signed

    def _index_again(self) -> None:
        """Index what no checkpoint covers. Each body must open: it vouches for a leaf that nothing else does yet.

        Without that, who has the disk and no key could put words into our mouth after a crash, and we would sign them.
        """
        for index, raw in leaves(self._rows, self._signed_size):
            try:
                prefixes = self._prefixes(index, raw)
            except Damaged as error:
                raise Damaged(f"audit entry {index} was changed: {error}", fix=DAMAGE_FIX) from error
            self._index.mark(index // BUNDLE, dict.fromkeys(prefixes, 1 << index % BUNDLE))

    def _prefixes(self, index: int, raw: bytes) -> list[bytes]:
        """Return under what an entry is indexed. Raises `Damaged`."""
        key = entry_key(index)
        sealed = self._rows.get(BODIES, key)
        if sealed is None:
            raise Damaged("it has lost its body before it was signed for")
        opened = Opened.decode(self._box.open(body_place(key, leaf_hash(raw)), sealed))
        return [of_type(Leaf.decode(raw).type), *([of_subject(opened.subject)] if opened.subject else ())]

    def _recheck(self, stop: int) -> None:
        """Hash the last leaves below `stop`, which ends a row, and compare them with the rows, which are full."""
        start = max(0, stop - RECHECKED)
        for first in range(start, stop, ROW_HASHES):
            row = self._read_row(0, first // ROW_HASHES) or b""
            for at, hashed in enumerate(leaf_hashes(self._rows, first, first + ROW_HASHES)):
                if row[at * HASH_SIZE : (at + 1) * HASH_SIZE] != hashed:
                    raise Damaged(f"audit entry {first + at} was changed", fix=DAMAGE_FIX)

    def _read_row(self, level: int, row: int) -> bytes | None:
        return self._rows.get(TREE, tree_key(level, row))

    @property
    def size(self) -> int:
        """Entries, those appended and not yet committed among them."""
        return self._tree.size

    @property
    def signed_size(self) -> int:
        """Entries that the newest checkpoint covers."""
        return self._signed_size

    def append(self, entries: Sequence[Entry]) -> list[Put]:
        """Return the rows of new entries; the first has index `size`. Raises `Damaged` once `sign` has found a flaw."""
        if not entries:
            return []
        self._require_sound()
        writes: list[Put] = []
        hashes: list[bytes] = []
        marks: dict[bytes, int] = {}  # In the index, of the bundle at hand.
        dice, at, index = self._entropy(len(entries) * ENTRY_DICE), 0, self._tree.size
        seal, pack = self._box.seal, self._pack
        for entry in entries:
            leaf, body = write_entry(entry, dice[at : at + DICE_SIZE], pack)
            key, hashed, subject = index.to_bytes(8, "big"), leaf_hash(leaf), entry.subject
            sealed = seal(key + hashed, body, dice[at + DICE_SIZE : at + ENTRY_DICE])
            writes += (new_row(Put, (ENTRIES, key, leaf)), new_row(Put, (BODIES, key, sealed)))
            hashes.append(hashed)
            bit = 1 << index % BUNDLE
            prefix = TYPE_PREFIXES[entry.type]
            marks[prefix] = marks.get(prefix, 0) | bit
            if subject:
                prefix = of_subject(subject)
                marks[prefix] = marks.get(prefix, 0) | bit
            at += ENTRY_DICE
            index += 1
            if not index % BUNDLE:
                self._index.mark(index // BUNDLE - 1, marks)
                marks = {}
        self._index.mark(index // BUNDLE, marks)
        self._tree.extend(hashes)
        return writes

    def changed(self) -> list[Put]:
        """Return the rows of the tree that changed since the last call: once per transaction, after all `append`s."""
        changed = self._tree.changed()
        if not self._mended:  # As nearly always.
            return [new_row(Put, (TREE, tree_key(level, row), value)) for level, row, value in changed]
        mended, self._mended = self._mended, {}
        return _of_tree({**mended, **{(level, row): value for level, row, value in changed}})

    def sign(self) -> list[Put]:
        """Sign the log as it is on disk, and return what to commit: the index and, last, the checkpoint.

        Nothing if the newest checkpoint says all. Call it with nothing uncommitted, but for what `reload` has mended,
        and `signed` after the commit.
        Raises `Damaged` if disk and memory differ; `reload` helps if it was the memory.
        """
        self._require_sound()
        if self._signed_size == self._tree.size and not self._mended:
            return []
        self._flaw = self._prove()
        if self._flaw is not None:
            self._flaws += 1
        self._require_sound()
        checkpoint = Checkpoint(self.card.origin, self._tree.size, self._proven.root())
        return [
            *_of_tree(self._mended),
            *self._index.changed(),
            Put(META, INDEXED_KEY, entry_key(checkpoint.size)),
            Put(META, CHECKPOINT_KEY, sign_checkpoint(checkpoint, self.card.key, self._sign)),
        ]

    def _require_sound(self) -> None:
        if self._flaw is not None:
            raise Damaged(f"the audit log takes and signs nothing more: {self._flaw}", fix=DAMAGE_FIX)

    def signed(self, writes: Sequence[Put]) -> None:
        """What `sign` returned is on disk: the checkpoint may be shown."""
        self._index.written()
        self._mended = {}
        self.checkpoint, self._signed_size, self._is_new = writes[-1].value, self._proven.size, False

    def _prove(self) -> str | None:
        """Hash what no checkpoint covers, from the disk. Returns why it is not what memory says, or None."""
        for index, leaf in leaves(self._rows, self._proven.size):
            if index != self._proven.size:
                return f"entry {self._proven.size} is missing"
            self._proven.append(leaf_hash(leaf))
        for level, number, expected in self._proven.changed():
            if (self._mended.get((level, number)) or self._read_row(level, number) or b"") != expected:
                return f"row {number} of the hashes of level {level} is not what it should be"
        if self._proven.size != self._tree.size or self._proven.root() != self._tree.root():
            return f"what is on disk is not what was appended, somewhere below entry {self._tree.size}"
        return None


def begin(
    did: bytes, instance_ed25519: bytes, sign_instance: Sign, rows: Rows, vault: Vault, entropy: Entropy
) -> tuple[Diary, list[Put]]:
    """Return the diary of a new instance, and the rows that make it openable: `rows` must hold no log."""
    seed = entropy(SEED_SIZE)
    key = SigningKey(seed)
    card = make_card(did, instance_ed25519, FIRST_GENERATION, key.verify_key.encode(), sign_instance)
    writes = [Put(META, CARD_KEY, card.encode()), Put(SECRETS, LOG_KEY, vault.seal(SECRETS, LOG_KEY, seed, entropy))]
    return Diary(rows, card, signer(key), vault, entropy, is_new=True), writes


@contextmanager
def _damaged() -> Iterator[None]:
    try:
        yield
    except AuditError as error:
        raise Damaged(f"the audit log is damaged: {error}", fix=DAMAGE_FIX) from error


def _of_tree(rows: Mapping[tuple[int, int], bytes]) -> list[Put]:
    return [Put(TREE, tree_key(level, row), value) for (level, row), value in rows.items()]
