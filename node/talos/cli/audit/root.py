"""`talos audit root`: how far a log has come, in one hash."""

from __future__ import annotations

from dataclasses import asdict

import click

from talos.cli.audit.source import read_store
from talos.cli.perform import perform, show
from talos.cli.place import Place, at_a_place
from talos.core.chain import log_head
from talos.core.report import LogHead
from talos.errors import UsageError


@click.command()
@at_a_place
@click.option("--peer", metavar="DID", help="The log of a peer that the node is linked with: its DID or peer id.")
@click.option("--checkpoint", is_flag=True, help="Print the signed checkpoint, to be kept in a file.")
@click.option("--vkey", is_flag=True, help="Print the key that verifies checkpoints, for who checks an export.")
def root(place: Place, peer: str | None, checkpoint: bool, vkey: bool) -> None:
    """Print the root and the size of the log. Who keeps them finds out if the log is ever rewritten."""

    async def answer() -> None:
        if checkpoint and vkey:
            raise UsageError(
                "--checkpoint and --vkey are two answers", fix="Ask for one, or for both with --json alone"
            )
        head = await _ask(place, peer)
        if place.as_json:
            show(asdict(head))
        elif checkpoint:
            click.echo(head.checkpoint, nl=False)  # To the byte: it is signed.
        elif vkey:
            click.echo(head.vkey)
        else:
            click.echo(f"0x{head.root} {head.size}")

    perform(answer, as_json=place.as_json)


async def _ask(place: Place, peer: str | None) -> LogHead:
    if peer is not None:
        async with place.node() as node:
            return await node.audit_root(peer)
    async with place.node_if_running() as running:
        if running is not None:
            return await running.audit_root()
    with read_store(place) as store, store.snapshot() as rows:
        return log_head(rows)
