"""`talos peers`: who this node knows, and `talos peers add`."""

from __future__ import annotations

from dataclasses import asdict

import click

from talos.cli.perform import columns, perform, show
from talos.cli.place import Place, at_a_place
from talos.core.report import PeerStatus
from talos.errors import UsageError


@click.group(invoke_without_command=True)
@at_a_place
@click.pass_context
def peers(context: click.Context, place: Place) -> None:
    """List the peers that the running node knows."""
    if context.invoked_subcommand is not None:
        return

    async def answer() -> None:
        async with place.node() as client:
            known = await client.peers()
        if place.as_json:
            show(asdict(known))
        elif known.peers:
            click.echo(columns([peer_row(peer) for peer in known.peers]))
        if known.left_out and not place.as_json:
            click.echo(f"and {known.left_out} more", err=True)

    perform(answer, as_json=place.as_json)


@peers.command()
@at_a_place
@click.argument("peer", metavar="DID@HOST:PORT")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def add(place: Place, peer: str, yes: bool) -> None:
    """Make a peer known, for good.

    A bare HOST:PORT is asked who it is; its DID is shown, for you to compare with what your peer told you.
    """

    async def answer() -> None:
        async with place.node() as client:
            address = peer
            if "@" not in peer:
                if yes:
                    raise UsageError(
                        f"--yes would trust whoever answers at {peer}", fix="talos peers add --yes DID@HOST:PORT"
                    )
                card = await client.look(peer)
                click.echo(f"{peer} says it is {card.did}", err=True)
                click.confirm("Is this your peer", abort=True, err=True)
                address = f"{card.did}@{peer}"
            added = await client.peers_add(address)
        if place.as_json:
            show(asdict(added))
        else:
            click.echo(columns([peer_row(added)]))

    perform(answer, as_json=place.as_json)


def peer_row(peer: PeerStatus) -> tuple[str, ...]:
    addresses = [*peer.addresses, *(f"{one} ({peer.found_by})" for one in peer.found)]
    state = "linked" if peer.linked else "away"
    return (
        peer.did,
        ", ".join(addresses) or "no address",
        state if peer.session else f"{state}, no session yet",
        f"{peer.undelivered} undelivered",
        peer.reason or "",
    )
