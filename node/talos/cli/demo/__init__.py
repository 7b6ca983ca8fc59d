"""`talos demo`: three nodes find each other and exchange files, one is killed and comes back, and nothing is lost."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click
import trio

from talos.cli.demo.cargo import load_cargo
from talos.cli.demo.fleet import running_fleet
from talos.cli.demo.logbook import read_books, show_receipt
from talos.cli.demo.table import Outcome, outcome_json, outcome_text, rows_of
from talos.cli.demo.traffic import Traffic
from talos.cli.perform import INTERRUPTED, perform, show
from talos.cli.place import Place, at_a_place
from talos.drivers.clock import RealClock
from talos.host import Clock

NAMES: Final = ("alice", "bob", "carol")
KILL_AFTER: Final = 40  # Pieces that bob has received when he is killed: by then every stream is under way.
DEADLINE_S: Final = 120.0  # What has not arrived by then is missing. A slow machine needs half a minute.
TERMINAL_REFRESH_S: Final = 0.2
LOG_REFRESH_S: Final = 3.0
MIB: Final = 1024 * 1024


@click.command()
@at_a_place
@click.option("--keep", is_flag=True, help="Leave the folder of nodes and files, and say where it is.")
def demo(place: Place, keep: bool) -> None:
    """Run three nodes that send each other this checkout; kill -9 one half-way; count what arrived.

    Two are told of the third, and find each other in the DHT; the one that was killed comes back at another port.
    Then verify the audit log of each, and prove to one of them a message that another received. Exits with 1 if
    anything is missing, altered, handed out again after it was acknowledged, or not written down.
    """

    async def run() -> None:
        clock = RealClock()
        with _workplace(keep=keep) as folder:
            started_at = clock.monotonic()
            outcome = await _unless_ended(partial(_exchange, folder, clock))
            seconds = clock.monotonic() - started_at
        if place.as_json:
            show(outcome_json(outcome, seconds, NAMES[1]))
        else:
            click.echo(outcome_text(outcome))
            good = "nothing lost, nothing twice, nothing altered, all of it written down"
            verdict = good if outcome.is_good else "not everything is as it should be"
            click.echo(f"\n{verdict}, in {seconds:.1f} s with one kill -9")
        if not outcome.is_good:
            raise click.exceptions.Exit(1)

    perform(run, as_json=place.as_json)


async def _unless_ended(work: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Return what `work` does. SIGTERM ends it as Ctrl-C would: else the nodes would outlive us, and run for ever."""
    is_ended = False

    async def wait_for_the_end() -> None:
        nonlocal is_ended
        await anext(signals)
        is_ended = True
        nursery.cancel_scope.cancel()

    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_for_the_end)
            outcome = await work()
            nursery.cancel_scope.cancel()
    if is_ended:
        raise click.exceptions.Exit(INTERRUPTED)
    return outcome


async def _exchange(folder: Path, clock: Clock) -> Outcome:
    cargo = load_cargo()
    size = sum(len(item.content) for item in cargo) / MIB
    click.echo(f"{len(cargo)} files, {size:.1f} MiB, from each of {', '.join(NAMES)} to each other", err=True)
    async with running_fleet(NAMES, folder, clock) as nodes:
        traffic = Traffic(nodes, cargo, folder, clock, kill_after=KILL_AFTER)
        with clock.move_on_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_show_progress, traffic, clock)
                await traffic.run()
                nursery.cancel_scope.cancel()
        rows = rows_of(traffic, cargo)
        if not all(row.is_good for row in rows):
            return Outcome(rows, [], None)
        click.echo("all has arrived; now the logs are verified", err=True)
        books = await read_books(nodes, traffic)
        alice, bob, carol = nodes
        return Outcome(rows, books, await show_receipt(traffic.streams[alice.did, bob.did], carol, traffic))


async def _show_progress(traffic: Traffic, clock: Clock) -> None:
    is_terminal = sys.stderr.isatty()
    try:
        while True:
            note = "" if traffic.victim.starts > 1 else f"; {traffic.victim.name} will be killed"
            if traffic.victim.is_killed:
                note = f"; {traffic.victim.name} is killed"
            line = f"{traffic.arrived} of {traffic.expected} pieces arrived{note}"
            click.echo(f"\r\x1b[K{line}" if is_terminal else line, err=True, nl=not is_terminal)
            await clock.sleep(TERMINAL_REFRESH_S if is_terminal else LOG_REFRESH_S)
    finally:
        if is_terminal:
            click.echo("\r\x1b[K", err=True, nl=False)


@contextmanager
def _workplace(*, keep: bool) -> Iterator[Path]:
    if keep:
        folder = Path(tempfile.mkdtemp(prefix="talos-demo-"))
        click.echo(f"everything stays in {folder}", err=True)
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="talos-demo-") as name:
            yield Path(name)
