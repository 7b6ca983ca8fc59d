"""The page of one run: a space-time diagram in a single HTML file that needs no network and no other file.

Whatever comes from the run is in there as JSON, in a script element that no text can leave, and only reaches the page
as text. The policy in its head lets run no script but ours, and load nothing. Equal records give equal bytes.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from talos_simulations.check import Violation
from talos_simulations.trace import Event
from talos_simulations.weather import Fault

__all__ = ["RunRecord", "render"]

SCRIPTS: Final = (
    "model.js",
    "words.js",
    "view.js",
    "glyphs.js",
    "draw.js",
    "draw_packets.js",
    "find.js",
    "panel.js",
    "hands.js",
    "main.js",
)  # One after the other they are one script: each uses what those before it define.
DIGITS: Final = 6  # Of a second, as in the trace.
PLACE: Final = re.compile(r"@(policy|style|script|run)@")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run, as it is shown. `events` are in the order in which they happened."""

    scenario: str
    seed: int
    commit: str  # Of the source that ran, in whatever words say it best.
    nodes: tuple[str, ...]  # A line each, from the top.
    virtual_s: float  # When the run was over.
    events: Sequence[Event]
    faults: Sequence[Fault]  # That were planned: those after the storm, or after a violation, never began.
    violations: Sequence[Violation]  # None: the run held.
    replay: str  # The command that does it again.


def render(run: RunRecord) -> str:
    """Return the page, to be written as UTF-8. Raises `ValueError` for a time or an amount that is not finite."""
    style, script = _read("page.css"), "".join(map(_read, SCRIPTS))
    parts = {"policy": _policy(style, script), "style": style, "script": script, "run": _embedded(_facts(run))}
    return PLACE.sub(lambda place: parts[place[1]], _read("page.html"))


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return the content security policy that allows these two texts, and nothing else."""
    return f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _embedded(facts: Mapping[str, Any]) -> str:
    """Return JSON in ASCII without a single `<`: neither `</script` nor `<!--` can be said in it."""
    return json.dumps(facts, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _facts(run: RunRecord) -> dict[str, Any]:
    """Return what model.js reads. An event is [at, kind, node, other, number, text]; texts are places in `words`."""
    places: dict[str, int] = {}

    def place(text: str) -> int:
        return places.setdefault(str(text), len(places))

    events = [
        [_time(one.at), place(one.kind), place(one.node), place(one.other), one.number, place(one.text)]
        for one in run.events
    ]
    return {
        "scenario": run.scenario,
        "seed": str(run.seed),  # As text: it may have more digits than a number of JavaScript.
        "commit": run.commit,
        "nodes": list(run.nodes),
        "virtual_s": _time(run.virtual_s),
        "replay": run.replay,
        "faults": [[str(one.kind), _time(one.at), one.for_s, list(one.who), one.amount] for one in run.faults],
        "violations": [[one.check, _time(one.at), one.text] for one in run.violations],
        "words": list(places),
        "events": events,
    }


def _time(at: float) -> float:
    return round(at, DIGITS)
