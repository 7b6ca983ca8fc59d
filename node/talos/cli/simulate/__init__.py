"""`talos simulate`: whole nodes in virtual time, under faults that a seed chooses, with promises that are checked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from talos.cli.perform import columns, perform, show
from talos.cli.simulate.options import SEEDS, Asked, ask
from talos.errors import UsageError

if TYPE_CHECKING:
    from talos.cli.simulate.run import Done

__all__ = ["simulate"]

BROKEN: Final = 1  # "The answer is no", as everywhere.
FILE: Final = click.Path(path_type=Path)


@click.command()
@click.argument("scenario", required=False)
@click.option("--list", "lists", is_flag=True, help="Name the scenarios that come with Talos.")
@click.option("--nodes", type=int, metavar="N", help="How many; else as many as the scenario has.")
@click.option("--seeds", default=SEEDS, metavar="A..B", show_default=True, help="Each from A to B; or one, A.")
@click.option("--jobs", type=int, metavar="J", help="Processes at once; else one for each processor.")
@click.option("--weather", type=FILE, metavar="FILE", help="Run under the faults in this file, and no others.")
@click.option("--budget", type=int, metavar="RUNS", help="How many runs a search for fewer faults may take; 0: none.")
@click.option("--page", type=FILE, metavar="FILE", help="Draw the first run that failed, or else the first.")
@click.option("--trace", type=FILE, metavar="FILE", help="Write down all that happened in that run.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def simulate(
    scenario: str | None,
    lists: bool,
    nodes: int | None,
    seeds: str,
    jobs: int | None,
    weather: Path | None,
    budget: int | None,
    page: Path | None,
    trace: Path | None,
    as_json: bool,
) -> None:
    """Run SCENARIO, a word or NAME.py, once for each seed, and check what Talos promises.

    Exits with 1 if a promise is broken. Then the faults of the first such run are cut down to those that matter, and
    written here, with a page to look at: SCENARIO-SEED.weather.json and SCENARIO-SEED.html. With --weather a run is
    only repeated.
    """

    def work() -> Callable[[], None]:
        if lists:
            return partial(_list, as_json=as_json)
        if scenario is None:
            raise UsageError("which scenario?", fix="talos simulate --list names them; or give a file, NAME.py")
        return _simulate(ask(scenario, nodes, seeds, jobs, weather, budget, page, trace), as_json=as_json)

    _perform(work, as_json=as_json)


def _perform(work: Callable[[], Callable[[], None]], *, as_json: bool) -> None:
    """Do the work, then `perform` the answer it returns: a simulated run cannot be within the trio run of `perform`."""
    made: Callable[[], None] | Exception | KeyboardInterrupt = KeyboardInterrupt()
    try:
        from talos_simulations.executor import attempt  # Late, as all of the simulator: `talos --help` does without.

        made = attempt(work)
    except* KeyboardInterrupt:
        pass

    async def answer() -> None:
        if isinstance(made, BaseException):
            raise made
        made()

    perform(answer, as_json=as_json)


def _simulate(asked: Asked, *, as_json: bool) -> Callable[[], None]:
    from talos.cli.simulate.run import run

    return partial(_say, run(asked), as_json=as_json)


def _say(done: Done, *, as_json: bool) -> None:
    from talos.cli.simulate.words import told

    if as_json:
        show(done.answer())
    else:
        click.echo(told(done))
    for error in done.unwritten:
        click.echo(f"not written: {error}", err=True)
    if done.failure is not None:
        raise click.exceptions.Exit(BROKEN)
    if done.unwritten:
        raise done.unwritten[0]


def _list(*, as_json: bool) -> None:
    from talos_simulations.sweep import scenarios

    found = scenarios()
    if as_json:
        show({"scenarios": [{"name": name, "about": about} for name, about in found]})
    else:
        click.echo(columns(found))
