"""`talos status`: how the node is."""

from __future__ import annotations

from dataclasses import asdict

import click

from talos.cli.peers import peer_row
from talos.cli.perform import columns, perform, show
from talos.cli.place import Place, at_a_place
from talos.control.values import Status


@click.command()
@at_a_place
def status(place: Place) -> None:
    """Show links, queues and store of the running node. Exits with 1 if it is not well."""

    async def answer() -> None:
        async with place.node() as client:
            now = await client.status()
        if place.as_json:
            show(asdict(now))
        else:
            click.echo(_text(now))
        if not now.store_ok:
            raise click.exceptions.Exit(1)

    perform(answer, as_json=place.as_json)


def _text(now: Status) -> str:
    rows = [
        ("did", now.did),
        ("name", now.name),
        ("listening", ", ".join(now.listening) or "nowhere"),
        ("up", f"{now.uptime_s:.0f} s"),
        ("links", str(now.links)),
        ("undelivered", f"{now.undelivered} of {now.queue_limit}"),
        ("inbox", str(now.inbox)),
        ("refused", str(now.refused)),
        ("store", "ok" if now.store_ok else "not well"),
    ]
    if now.reason is not None:
        rows.append(("reason", now.reason))
    text = columns(rows)
    if now.peers:
        text += "\npeers\n" + columns([peer_row(peer) for peer in now.peers], indent="  ")
    if now.peer_count > len(now.peers):
        text += f"\n  and {now.peer_count - len(now.peers)} more"
    return text
