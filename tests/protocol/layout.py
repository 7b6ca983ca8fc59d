"""Worked examples as docs/protocol shows them: bytes cut into pieces, each with a note; written to pages, read back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from msgpack import packb, unpackb

FOLDER: Final = Path(__file__).parent.parent.parent / "docs" / "protocol"
LINE: Final = 36  # Bytes of hex on one line of a page: a hash, or a key, and its header.

BLOCK: Final = re.compile(r"(<!-- example: ([a-z0-9-]+) -->\n\n```text\n)(.*?)(```\n)", re.DOTALL)
_SHOWN: Final = re.compile(r"(?:\[([a-z0-9-]+)\]|((?:[0-9a-f]{2})+))(?: +(\S.*))?")

Notes: TypeAlias = "Sequence[str | tuple[str, Notes]]"
"""One note for each field of an array; for a field that is an array itself, its name and the notes of its fields."""


@dataclass(frozen=True, slots=True)
class Piece:
    raw: bytes
    note: str
    of: str = ""  # The example that these bytes are, all of them; then a page shows its name.


@dataclass(frozen=True, slots=True)
class Text:
    """An example that is text, as it stands. It ends in newline."""

    text: str


Example: TypeAlias = "list[Piece] | Text"


def whole(example: Example) -> bytes:
    return example.text.encode() if isinstance(example, Text) else b"".join(piece.raw for piece in example)


def cut(raw: bytes, *sizes: tuple[int, str]) -> list[Piece]:
    """Return `raw` in pieces of these sizes, which must use it up."""
    pieces, at = list[Piece](), 0
    for size, note in sizes:
        pieces.append(Piece(raw[at : at + size], note))
        at += size
    if at != len(raw):
        raise ValueError(f"{len(raw)} bytes, cut into {at}")
    return pieces


def fields(raw: bytes, name: str, notes: Notes) -> list[Piece]:
    """Return a canonical array of at most 15 fields in pieces: its header, then its fields, each with its header."""
    values = unpackb(raw)
    if not isinstance(values, list) or len(values) != len(notes):
        raise TypeError(f"{name}: {len(notes)} notes do not fit {values!r}")
    pieces, at = [Piece(raw[:1], f"{name}array of {len(values)}")], 1
    for value, note in zip(values, notes, strict=True):
        field = packb(value)
        if raw[at : at + len(field)] != field:
            raise ValueError(f"{name}: {note} is not in its shortest form")
        pieces += [Piece(field, note)] if isinstance(note, str) else fields(field, f"{note[0]}: ", note[1])
        at += len(field)
    if at != len(raw):
        raise ValueError(f"{name}: bytes are left behind the array")
    return pieces


def referring(pieces: Iterable[Piece], known: Mapping[str, bytes]) -> list[Piece]:
    """Show what is an example of its own by its name: a byte string is its header, then the name."""
    shown = list[Piece]()
    for piece in pieces:
        name = next((name for name, raw in known.items() if piece.raw.endswith(raw)), None)
        if name is None:
            shown.append(piece)
            continue
        header = piece.raw[: -len(known[name])]
        if header:
            shown.append(Piece(header, f"byte string of {len(known[name])}"))
        shown.append(Piece(known[name], piece.note, of=name))
    return shown


def render(example: Example) -> str:
    """Return the text of an example between its fences."""
    if isinstance(example, Text):
        return example.text
    rows = list[tuple[str, str]]()
    for piece in example:
        lines = (
            [f"[{piece.of}]"]
            if piece.of
            else [piece.raw[at : at + LINE].hex() for at in range(0, len(piece.raw), LINE)]
        )
        rows += zip(lines, [piece.note, *[""] * len(lines)], strict=False)
    width = max(len(shown) for shown, _ in rows)
    return "".join(f"{shown:{width}}  {note}".rstrip() + "\n" for shown, note in rows)


def rendered(page: str, examples: Mapping[str, Example]) -> str:
    """Return `page` with every example as `examples` has it now. Raises `KeyError` for one that is not there."""

    def write(found: re.Match[str]) -> str:
        return f"{found[1]}{render(examples[found[2]])}{found[4]}"

    return BLOCK.sub(write, page)


def pages() -> dict[str, str]:
    """Return the text of every page, by file name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))}


class Shown:
    """What the pages show, and nothing else: the bytes of every example, and of every piece of it by its note."""

    def __init__(self) -> None:
        blocks: list[tuple[str, str]] = [found[1:3] for page in pages().values() for found in BLOCK.findall(page)]
        self.names = [name for name, _ in blocks]
        self._texts = dict(blocks)

    def text(self, name: str) -> str:
        return self._texts[name]

    def __getitem__(self, name: str) -> bytes:
        """Return all bytes of an example: those of its text, if that is no hex."""
        if not _SHOWN.fullmatch(self._texts[name].split("\n", 1)[0]):
            return self._texts[name].encode()
        return b"".join(raw for raw, _ in self.pieces(name))

    def value(self, name: str, note: str) -> bytes:
        """Return the one piece whose note begins with `note`."""
        [raw] = [raw for raw, said in self.pieces(name) if said.startswith(note)]
        return raw

    def pieces(self, name: str) -> list[tuple[bytes, str]]:
        pieces = list[tuple[bytes, str]]()
        for line in self._texts[name].splitlines():
            found = _SHOWN.fullmatch(line)
            if found is None:
                raise ValueError(f"{name}: {line!r} is no line of an example")
            raw = self[found[1]] if found[1] else bytes.fromhex(found[2])
            if found[3] or not pieces:
                pieces.append((raw, found[3] or ""))
            else:  # The line goes on with what the last one began.
                pieces[-1] = (pieces[-1][0] + raw, pieces[-1][1])
        return pieces
