"""`talos ping`: how a peer is reached, and how long that takes."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median
from typing import Final

import click

from talos.cli.perform import perform, show
from talos.cli.place import Place, at_a_place
from talos.core.report import Ping

COUNT: Final = 3
COUNT_MAX: Final = 1_000


@click.command()
@at_a_place
@click.argument("peer")
@click.option("--count", default=COUNT, type=click.IntRange(1, COUNT_MAX), show_default=True, help="Round trips.")
def ping(place: Place, peer: str, count: int) -> None:
    """Link with a peer if there is no link, and measure how long its answers take. PEER is a DID or a peer id.

    Prints a line for each round trip as it comes, then the median; with --json, each as an object. Exits with 4 if the
    peer cannot be reached.
    """

    async def measure() -> None:
        trips = list[float]()
        async with place.node() as client:
            for number in range(1, count + 1):
                trip = await client.ping(peer)
                trips.append(trip.round_trip_s)
                if place.as_json:
                    show(asdict(trip))
                else:
                    click.echo(_text(trip, number))
        if place.as_json:
            show({"did": trip.did, "count": count, "median_s": median(trips)})
        else:
            click.echo(f"median {_ms(median(trips))} of {count}")

    perform(measure, as_json=place.as_json)


def _text(trip: Ping, number: int) -> str:
    line = f"{number}  {_ms(trip.round_trip_s)}  {trip.address} ({trip.found})"
    return line if trip.link_s is None else f"{line}, linked in {_ms(trip.link_s)}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
