"""A proof in a file of its own: with the leaf and the log's key, all that is needed to check it offline.

    c2sp.org/tlog-proof@v1
    extra base64(anything)                     left out if there is nothing
    index decimal
    base64(hash 32)                            0 to 63 lines, leaf to root
    (empty line)
    the checkpoint, a signed note, byte for byte

Source: C2SP, tlog-proof (no version yet).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from talos_audit.checkpoint import Checkpoint, open_checkpoint
from talos_audit.errors import BadProof
from talos_audit.hashes import HASH_SIZE, SIZE_MAX
from talos_audit.note import NOTE_SIZE_MAX, VerifierKey, check_note
from talos_audit.proof import verify_inclusion
from talos_audit.text import base64, decimal, unbase64

TLOG_PROOF_SUFFIX: Final = ".tlog-proof"
EXTRA_SIZE_MAX: Final = 64 * 1024  # Bytes, before base64.
PATH_LENGTH_MAX: Final = 63  # Hashes: the path in a tree of 2**63 - 1 leaves.

_FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
_EXTRA: Final = "extra "
_INDEX: Final = "index "
_HEAD_SIZE_MAX: Final = 4 * 1024 + EXTRA_SIZE_MAX * 4 // 3  # 63 hashes of 45 bytes, the first lines, and the extra.


@dataclass(frozen=True, slots=True)
class TlogProof:
    """That the leaf at `index` is in the tree of `checkpoint`. Raises `BadProof` for what cannot be written."""

    index: int
    path: tuple[bytes, ...]  # Hashes of 32 bytes, leaf to root.
    checkpoint: bytes  # A signed note, byte for byte as the log and its witnesses made it.
    extra: bytes = b""  # Not authenticated: for whoever needs it to build the leaf.

    def __post_init__(self) -> None:
        if not 0 <= self.index < SIZE_MAX:
            raise BadProof(f"no leaf has the index {self.index}")
        if len(self.path) > PATH_LENGTH_MAX:
            raise BadProof(f"no path has {len(self.path)} hashes")
        if any(len(hashed) != HASH_SIZE for hashed in self.path):
            raise BadProof(f"a hash has {HASH_SIZE} bytes")
        if len(self.extra) > EXTRA_SIZE_MAX:
            raise BadProof(f"{len(self.extra)} bytes of extra data, more than {EXTRA_SIZE_MAX}")

    def encode(self) -> bytes:
        lines = [_FIRST_LINE]
        if self.extra:
            lines.append(_EXTRA + base64(self.extra))
        lines.append(f"{_INDEX}{self.index}")
        lines.extend(base64(hashed) for hashed in self.path)
        return "\n".join([*lines, "", ""]).encode("ascii") + self.checkpoint

    @classmethod
    def parse(cls, raw: bytes) -> TlogProof:
        """Return the proof of a file; only the bytes that `encode` gives are accepted. Verifies nothing.

        Raises `BadProof`, and `BadNote` if the checkpoint is no note.
        """
        if len(raw) > _HEAD_SIZE_MAX + NOTE_SIZE_MAX:
            raise BadProof(f"no proof has {len(raw)} bytes")
        head, empty, checkpoint = raw.partition(b"\n\n")
        if not empty:
            raise BadProof("a proof must have an empty line")
        try:
            proof = cls._of(head.decode("ascii").split("\n"), checkpoint)
        except ValueError as error:
            raise BadProof(f"no proof: {error}") from None
        check_note(checkpoint)
        return proof

    @classmethod
    def _of(cls, lines: list[str], checkpoint: bytes) -> TlogProof:
        """Raises `ValueError` and `BadProof`."""
        if lines.pop(0) != _FIRST_LINE:
            raise BadProof(f"a proof must begin with {_FIRST_LINE}")
        extra = b""
        if lines and lines[0].startswith(_EXTRA):
            extra = unbase64(lines.pop(0).removeprefix(_EXTRA))
            if not extra:
                raise BadProof("a line of extra data must have some")
        if not lines or not lines[0].startswith(_INDEX):
            raise BadProof("a proof must name the index")
        index = decimal(lines.pop(0).removeprefix(_INDEX))
        return cls(index, tuple(map(unbase64, lines)), checkpoint, extra)

    def verify(self, leaf_hash: bytes, key: VerifierKey) -> Checkpoint:
        """Return the checkpoint that `key` signed and whose tree has `leaf_hash` at `index`.

        Raises `BadNote` for the checkpoint, and `BadProof` for the rest.
        """
        checkpoint = open_checkpoint(self.checkpoint, key)
        verify_inclusion(leaf_hash, self.index, checkpoint.size, self.path, checkpoint.root)
        return checkpoint
