"""`talos whoami`: what to give to others, so that they can reach this node."""

from __future__ import annotations

import click

from talos.cli.perform import perform, show
from talos.cli.place import Place, at_a_place
from talos.control.client import ControlClient
from talos.core.names import DID_PREFIX
from talos.errors import NotReachable
from talos.runtime import read_identity


@click.command()
@at_a_place
def whoami(place: Place) -> None:
    """Print the DID, and DID@HOST:PORT for each place where the node listens. It need not be running."""

    async def answer() -> None:
        try:
            async with ControlClient(place.folder) as client:
                running = await client.whoami()
            did, addresses = running.did, running.addresses
        except NotReachable:
            config = place.config()
            did = read_identity(config)
            # Port 0 becomes a real one only when the node starts.
            addresses = tuple(str(address) for address in config.listen if address.port)
        _show(place, did, [f"{did}@{address}" for address in addresses])

    perform(answer, as_json=place.as_json)


def _show(place: Place, did: str, addresses: list[str]) -> None:
    if place.as_json:
        show({"did": did, "peer_id": did.removeprefix(DID_PREFIX), "addresses": addresses})
        return
    for line in (did, *addresses):
        click.echo(line)
