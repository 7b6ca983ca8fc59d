"""`talos audit export`: the log as files, for whoever wants to check, serve or keep it."""

from __future__ import annotations

from pathlib import Path

import click

from talos.cli.audit.progress import Progress
from talos.cli.audit.source import read_store
from talos.cli.audit.tlog_folder import export_folder
from talos.cli.perform import columns, perform, show
from talos.cli.place import Place, at_a_place


@click.command()
@at_a_place
@click.option("--tlog", "folder", metavar="DIR", required=True, type=click.Path(path_type=Path), help="Where to.")
def export(place: Place, folder: Path) -> None:
    """Write the log up to its newest checkpoint in the layout of C2SP tlog-tiles, whether its node runs or not.

    An earlier export in DIR is brought up to date. What entries say stays sealed, and is not in there.
    """

    async def answer() -> None:
        with read_store(place) as store:
            head = export_folder(store, folder, Progress("exported"), Progress("checked"))
        if place.as_json:
            summary = {"origin": head.origin, "size": head.size, "root": head.root, "vkey": head.vkey}
            show({**summary, "folder": str(folder)})
            return
        rows = [("log", head.origin), ("entries", str(head.size)), ("root", f"0x{head.root}"), ("vkey", head.vkey)]
        click.echo(columns([*rows, ("folder", str(folder))]))

    perform(answer, as_json=place.as_json)
