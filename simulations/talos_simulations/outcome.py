"""Running one seed of one story, and what came of it. Equal arguments give an equal outcome, on every machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from talos.errors import UsageError
from talos_simulations.books import Act
from talos_simulations.check import Violation
from talos_simulations.garbage import few_collections
from talos_simulations.stage import Stage
from talos_simulations.story import Story
from talos_simulations.town_story import TownStory
from talos_simulations.trace import Trace
from talos_simulations.weather import Fault, Weather
from talos_simulations.world import Plan, World


@dataclass(frozen=True, slots=True)
class Outcome:
    seed: int
    nodes: int
    digest: str  # Of the trace: every message and every scheduler step.
    violations: tuple[Violation, ...]  # None, or the first.
    reports: tuple[Violation, ...]  # Of checks that this story does not demand.
    weather: tuple[Fault, ...]
    virtual_s: float
    steps: int  # Of the scheduler; of a town, events.
    sent: int  # Messages that applications tried to send ...
    accepted: int  # ... that nodes accepted ...
    refused: int  # ... or refused ...
    handed: int  # ... that receiving applications got ...
    done: int  # ... and were done with.
    parts: dict[str, dict[str, float]] = field(default_factory=dict)  # Of a town: figures, by part of its story.

    @property
    def held(self) -> bool:
        return not self.violations

    def as_json(self) -> dict[str, Any]:
        """Return what varies with the seed only."""
        return {
            "seed": self.seed,
            "nodes": self.nodes,
            "digest": self.digest,
            "held": self.held,
            "violations": [_told(one) for one in self.violations],
            "reports": [_told(one) for one in self.reports],
            "faults": len(self.weather),
            "virtual_s": round(self.virtual_s, 3),
            "steps": self.steps,
            "messages": {
                "sent": self.sent,
                "accepted": self.accepted,
                "refused": self.refused,
                "handed": self.handed,
                "done": self.done,
            },
            "parts": self.parts,
        }


def _told(violation: Violation) -> dict[str, Any]:
    return {"check": violation.check, "at": round(violation.at, 3), "text": violation.text}


def run_seed(
    story: Story | TownStory,
    seed: int,
    *,
    nodes: int | None = None,
    weather: Weather | None = None,
    trace: Trace | None = None,
) -> Outcome:
    """Run one seed to its end. `weather` takes the place of the story's own; a town has none.

    Raises `UsageError` where the weather is about nodes that are not there, or is given to a town. Not inside another
    trio run.
    """
    if isinstance(story, Story):
        plan = story.plan(seed, nodes, weather)
        with few_collections():
            return _run_world(plan, seed, trace)
    if weather:
        raise UsageError("a town of cores has no weather", fix="Run a scenario of whole nodes")
    with few_collections():
        return _run_town(story, seed, nodes or story.nodes, trace or Trace())


def _run_world(plan: Plan, seed: int, trace: Trace | None) -> Outcome:
    world = World(seed, plan, trace)
    world.run()
    total: Callable[[Act], int] = world.books.total
    return Outcome(
        seed=seed,
        nodes=plan.nodes,
        digest=world.trace.digest(),
        violations=tuple(world.violations),
        reports=tuple(world.reports),
        weather=plan.weather,
        virtual_s=world.virtual_s,
        steps=world.trace.steps,
        sent=total(Act.TRIED),
        accepted=total(Act.ACCEPTED),
        refused=total(Act.REFUSED),
        handed=total(Act.HANDED),
        done=total(Act.DONE),
    )


def _run_town(story: TownStory, seed: int, nodes: int, trace: Trace) -> Outcome:
    """All promises that are broken are told: a town is looked at when its run is over."""
    stage = Stage(seed, nodes, trace)
    story.play(stage)
    at = stage.town.field.now_ms / 1_000
    checks = [check() for check in story.demanded]
    violations = tuple(Violation(check.name, at, text) for check in checks for text in check.looks(stage))
    for one in violations:
        trace.note(at, "violation", text=f"{one.check}: {one.text}")
    return Outcome(
        seed=seed,
        nodes=nodes,
        digest=trace.digest(),
        violations=violations,
        reports=(),
        weather=(),
        virtual_s=at,
        steps=stage.town.field.events,
        sent=0,
        accepted=0,
        refused=0,
        handed=0,
        done=0,
        parts={name: part.figures() for name, part in stage.parts.items()},
    )
