"""What a person is told of a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from talos.cli.perform import columns
from talos.cli.simulate.run import Done
from talos.cli.text import printable
from talos_simulations.report import Failure
from talos_simulations.sweep import Sweep

HOUR_S: Final = 3_600
LEAST_S: Final = 0.001  # No sweep is faster.
OTHERS_MAX: Final = 20  # Failed seeds that are named beside the first.


def told(done: Done) -> str:
    sweep = done.sweep
    text = columns(list(_figures(done)))
    if done.failure is None:
        return f"{text}\n\nevery promise was kept"
    return "\n".join([text, "", *_failure(done.failure, sweep)])


def _figures(done: Done) -> Iterator[tuple[str, str]]:
    sweep, messages = done.sweep, done.sweep.messages()
    first, last = sweep.outcomes[0].seed, sweep.outcomes[-1].seed
    yield "scenario", f"{printable(sweep.scenario)}, {sweep.nodes} nodes"
    yield "seeds", f"{len(sweep.outcomes)} ({first}..{last}), {len(sweep.failed)} failed"
    parts = sweep.parts()
    if parts:
        yield from ((part, ", ".join(figures)) for part, figures in parts.items())
    else:
        yield "messages", ", ".join(f"{count:,} {what}" for what, count in messages.items())
    speed = f"{sweep.virtual_s / max(done.seconds, LEAST_S):,.0f} x real time"
    yield (
        "time",
        f"{sweep.virtual_s / HOUR_S:.2f} virtual hours in {done.seconds:.1f} s: {speed}, --jobs {done.asked.jobs}",
    )
    for check, seeds in sweep.reports().items():
        yield "told", f"{check} in {len(seeds)} of the seeds, first {seeds[0]}; this scenario does not demand it"


def _failure(failure: Failure, sweep: Sweep) -> Iterator[str]:
    outcome = failure.outcome
    for violation in outcome.violations:
        yield f"seed {outcome.seed} broke {violation.check}, at {violation.at:.3f} virtual seconds:"
        yield f"    {printable(violation.text)}"
    if not outcome.parts:
        yield f"{_search(failure, sweep)}:" if outcome.weather else _search(failure, sweep)
        yield from (f"  {fault}" for fault in outcome.weather)
    yield ""
    others = [f"{one.seed} ({one.violations[0].check})" for one in sweep.failed if one.seed != outcome.seed]
    rows = [("source", failure.source)]
    rows += [("written", file) for file in failure.files]
    if others:
        rest = " ..." if len(others) > OTHERS_MAX else ""
        rows.append(("also failed", f"seeds {', '.join(others[:OTHERS_MAX])}{rest}"))
    yield columns([(name, printable(value)) for name, value in (*rows, ("to repeat it", failure.replay))])


def _search(failure: Failure, sweep: Sweep) -> str:
    """Say how many faults it takes."""
    count, shrunk = len(failure.outcome.weather), failure.shrunk
    if shrunk is None:
        return f"under {_faults(count)}"
    before = next(len(one.weather) for one in sweep.outcomes if one.seed == failure.outcome.seed)
    if not count:
        return "it takes no fault"
    enough = f"it takes {_faults(count)} of {before}, says a search of {shrunk.runs} runs"
    return f"{enough} that ended before it was through (--budget)" if shrunk.is_spent else enough


def _faults(count: int) -> str:
    return "1 fault" if count == 1 else f"{count} faults"
