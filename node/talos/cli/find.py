"""`talos find`: who offers a topic."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import click

from talos.cli.perform import columns, perform, show
from talos.cli.place import Place, at_a_place
from talos.core.report import Offer


@click.command()
@at_a_place
@click.argument("topic")
def find(place: Place, topic: str) -> None:
    """List who offers a topic: a capability, or a service by its name. Exits with 1 if nobody does."""

    async def answer() -> None:
        async with place.node() as client:
            offers = await client.find(topic)
        if place.as_json:
            show({"offers": [asdict(offer) for offer in offers]})
        elif offers:
            click.echo(columns([_row(offer) for offer in offers]))
        else:
            click.echo(f"nobody offers {topic!r}", err=True)
        if not offers:
            raise click.exceptions.Exit(1)

    perform(answer, as_json=place.as_json)


def _row(offer: Offer) -> tuple[str, ...]:
    until = datetime.fromtimestamp(offer.until_ms / 1000, UTC)
    return offer.did, f"until {until:%H:%M:%S} UTC"
