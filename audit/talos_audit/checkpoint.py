"""Checkpoints: a log's signed word for how large its tree is and which root it has.

    origin
    size, decimal
    base64(root 32)
    (empty line)
    — origin base64(key id 4 | signature 64)

Extension lines after the root are allowed by the standard and not recommended; none are written here.
Source: C2SP, tlog-checkpoint v1.0.0.
"""

from __future__ import annotations

from dataclasses import dataclass

from talos_audit.errors import BadNote
from talos_audit.hashes import EMPTY_ROOT, HASH_SIZE, SIZE_MAX
from talos_audit.note import Sign, VerifierKey, open_note, sign_note
from talos_audit.text import base64, decimal, unbase64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of one log. Raises `BadNote` for what can be no tree's."""

    origin: str  # Which log: not empty, no control characters. Here always the name of the key that signs.
    size: int  # Leaves, 0 .. 2**63 - 1.
    root: bytes  # 32 bytes.

    def __post_init__(self) -> None:
        if not self.origin or min(self.origin) < " ":
            raise BadNote(f"{self.origin!r} cannot name a log")
        if not 0 <= self.size <= SIZE_MAX:
            raise BadNote(f"no tree has {self.size} leaves")
        if len(self.root) != HASH_SIZE:
            raise BadNote(f"a root has {HASH_SIZE} bytes, not {len(self.root)}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise BadNote("this is not the root of the empty tree")

    def body(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64(self.root)}\n"

    @classmethod
    def parse(cls, body: str) -> Checkpoint:
        """Return the checkpoint of a note's text. Extension lines are passed over, so `body` does not have them.

        Raises `BadNote`.
        """
        lines = body.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            raise BadNote("a checkpoint must have three lines at least, none of them empty")
        try:
            return cls(lines[0], decimal(lines[1]), unbase64(lines[2]))
        except ValueError as error:
            raise BadNote(f"no checkpoint: {error}") from None


def sign_checkpoint(checkpoint: Checkpoint, key: bytes, sign: Sign) -> bytes:
    """Return a note of the checkpoint, signed in the name of its origin. `key` is the public key, 32 bytes.

    Raises `BadNote` if the origin cannot name a key.
    """
    return sign_note(checkpoint.body(), checkpoint.origin, key, sign)


def open_checkpoint(note: bytes, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint of a note that `key` signed, of the log of that name. Raises `BadNote`."""
    text, _ = open_note(note, (key,))
    checkpoint = Checkpoint.parse(text)
    if checkpoint.origin != key.name:
        raise BadNote(f"a checkpoint of {checkpoint.origin!r}, signed by {key.name!r}")
    return checkpoint
