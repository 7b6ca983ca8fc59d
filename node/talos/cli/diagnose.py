"""`talos diagnose`: what is well, what is not, why, and what mends it."""

from __future__ import annotations

from dataclasses import asdict

import click

from talos.cli.perform import perform, show
from talos.cli.place import Place, at_a_place
from talos.core.report import Diagnosis
from talos.errors import UsageError


@click.command()
@at_a_place
@click.option("--network", is_flag=True, help="How this node is found, and finds others.")
@click.option("--check-duplicates", is_flag=True, help="Whether another node has its identity.")
def diagnose(place: Place, network: bool, check_duplicates: bool) -> None:
    """Look at the running node, point by point. Exits with 1 if anything is not well."""

    async def answer() -> None:
        if not network and not check_duplicates:
            raise UsageError("nothing was asked for", fix="talos diagnose --network, or --check-duplicates")
        async with place.node() as client:
            points = [*(await client.diagnose() if network else ())]
            points += await client.diagnose(duplicates=True) if check_duplicates else ()
        if place.as_json:
            show({"ok": all(point.ok for point in points), "points": [asdict(point) for point in points]})
        else:
            click.echo("\n".join(map(_text, points)))
        if not all(point.ok for point in points):
            raise click.exceptions.Exit(1)

    perform(answer, as_json=place.as_json)


def _text(point: Diagnosis) -> str:
    line = f"{'ok ' if point.ok else 'BAD'}  {point.name}: {point.what}"
    return line if point.ok or point.fix is None else f"{line}\n     fix: {point.fix}"
