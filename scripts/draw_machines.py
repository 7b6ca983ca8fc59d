"""Draw docs/machines/*.svg from the tables of the state machines, so that the pictures cannot lie.

Run it with the project on the path: `.venv/bin/python -m scripts.draw_machines`. A test holds the files to the tables.

Phases stand in a column, in their order. Moves down run on the right, moves back up on the left, each bowed out by
as much as it skips; events that change nothing are named inside their phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final

from talos.core import keylog_state, outbox_row, session_life

FOLDER: Final = Path(__file__).parent.parent / "docs" / "machines"

# All lengths are in pixels.
BOX_WIDTH: Final = 170
LINE: Final = 15  # From one line of text to the next.
GAP: Final = 70  # Between two boxes: room for the names of a few events.
BOW: Final = 120  # Per phase that a move goes: more than the longest event's name takes.
MARGIN: Final = 20
APEX: Final = 0.75  # A cubic curve reaches so much of the way to its control points.

Table = Mapping[tuple[Enum, Enum], Enum]

HEAD: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    ' font-family="sans-serif" font-size="12">\n'
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0L8 4L0 8z"/></marker></defs>\n'
    '<rect width="100%" height="100%" fill="white"/>'
)
BOX: Final = '<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="#eef" stroke="black"/>'
ARROW: Final = '<path d="M{x} {y} C{bow} {y} {bow} {to} {x} {to}" fill="none" stroke="black" marker-end="url(#tip)"/>'
TEXT: Final = '<text x="{x}" y="{y}" text-anchor="{anchor}"{style}>{words}</text>'


def machines() -> dict[str, Table]:
    """Return every table that is drawn, by the name of its picture."""
    return {
        "outbox": dict(outbox_row.NEXT.items()),
        "identity": dict(keylog_state.NEXT.items()),
        "session": dict(session_life.NEXT.items()),
    }


def draw(table: Table) -> str:
    """Return the SVG of a table; the same table gives the same bytes."""
    phases = list(type(next(iter(table.values()))))
    stays = {phase: [event.name for (before, event), to in table.items() if before is to is phase] for phase in phases}
    moves: dict[tuple[int, int], list[str]] = {}
    for (before, event), to in table.items():
        if before is not to:
            moves.setdefault((phases.index(before), phases.index(to)), []).append(event.name)
    left = MARGIN + BOW * (1 + max((start - end for start, end in moves if end < start), default=-1))
    right = left + BOX_WIDTH
    width = right + BOW * (1 + max((end - start for start, end in moves if end > start), default=-1)) + MARGIN
    drawn, middles, y = list[str](), list[int](), MARGIN
    for phase in phases:
        height = LINE * (2 + len(stays[phase]))
        drawn.append(BOX.format(x=left, y=y, width=BOX_WIDTH, height=height))
        drawn += _words(left + BOX_WIDTH // 2, y + LINE + 5, "middle", [phase.name], ' font-weight="bold"')
        drawn += _words(left + BOX_WIDTH // 2, y + 2 * LINE + 5, "middle", stays[phase], ' fill="#555"')
        middles.append(y + height // 2)
        y += height + GAP
    for (start, end), events in moves.items():
        drawn += _move(middles[start], middles[end], end - start, left, right, events)
    return "\n".join([HEAD.format(width=width, height=y - GAP + MARGIN), *drawn, "</svg>\n"])


def _move(start: int, end: int, span: int, left: int, right: int, events: list[str]) -> list[str]:
    """Draw one arrow, a little apart from those that come and go there, and name its events at its apex."""
    x, side, anchor = (right, 1, "start") if span > 0 else (left, -1, "end")
    bow = x + side * BOW * abs(span)
    apex = round(x + APEX * (bow - x)) + 4 * side
    arrow = ARROW.format(x=x, y=start + 5 * side, bow=bow, to=end - 5 * side)
    return [arrow, *_words(apex, (start + end - LINE * len(events)) // 2 + LINE - 3, anchor, events, "")]


def _words(x: int, y: int, anchor: str, lines: list[str], style: str) -> list[str]:
    return [
        TEXT.format(x=x, y=y + LINE * number, anchor=anchor, style=style, words=line.lower().replace("_", " "))
        for number, line in enumerate(lines)
    ]


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, table in machines().items():
        (FOLDER / f"{name}.svg").write_text(draw(table), encoding="utf-8")


if __name__ == "__main__":
    main()
