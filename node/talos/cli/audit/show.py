"""`talos audit show`: one entry, whole."""

from __future__ import annotations

from dataclasses import asdict

import click

from talos.cli.audit.source import read_store
from talos.cli.audit.words import NO_NODE, whole
from talos.cli.perform import columns, perform, show
from talos.cli.place import Place, at_a_place
from talos.client.asking import INDEX_MAX
from talos.core.diary_read import Reader
from talos.core.report import AuditEntry


@click.command("show")
@at_a_place
@click.argument("index", type=click.IntRange(0, INDEX_MAX))
def show_entry(place: Place, index: int) -> None:
    """Print the entry with this INDEX. With no node running, what it says stays sealed."""

    async def answer() -> None:
        entry, is_sealed = await _ask(place, index)
        if place.as_json:
            show({"entry": asdict(entry), "sealed": is_sealed})
        else:
            click.echo(columns(whole(entry, closed="sealed" if is_sealed else "erased")))
        if is_sealed:
            click.echo(NO_NODE, err=True)

    perform(answer, as_json=place.as_json)


async def _ask(place: Place, index: int) -> tuple[AuditEntry, bool]:
    """Return the entry, and whether it is sealed to us."""
    async with place.node_if_running() as node:
        if node is not None:
            return await node.audit_show(index), False
    with read_store(place) as store, store.snapshot() as rows:
        return Reader(rows, None).entry(index), True
