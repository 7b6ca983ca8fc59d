"""`talos audit proof`: that an entry is in the log, in a file that anybody can check."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

import click

from talos.cli.audit.source import read_store
from talos.cli.perform import perform, show
from talos.cli.place import Place, at_a_place
from talos.client.asking import INDEX_MAX
from talos.core.diary_read import Reader
from talos.core.proof_file import Proof, make_proof
from talos.drivers.files import atomic_write
from talos.errors import UsageError
from talos_audit import TlogProof

JSON: Final = "json"
TLOG_PROOF: Final = "tlog-proof"


@click.command()
@at_a_place
@click.argument("index", type=click.IntRange(0, INDEX_MAX))
@click.option("--out", type=click.Path(path_type=Path), help="Write the proof to a file, not to stdout.")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@click.option("--since", metavar="SIZE", type=click.IntRange(1, INDEX_MAX), help="For who holds the root of then.")
@click.option("--sealed", is_flag=True, help="Prove that the entry is there, and keep to yourself what it says.")
@click.option("--format", "form", type=click.Choice([JSON, TLOG_PROOF]), default=JSON, show_default=True)
def proof(place: Place, index: int, out: Path | None, force: bool, since: int | None, sealed: bool, form: str) -> None:
    """Print the proof that entry INDEX is in the log, and of what it says: see `talos audit verify-proof`.

    With --since also that the log has only grown since it had SIZE entries. A tlog-proof is C2SP's and always sealed;
    it holds the entry's leaf as extra data, and is checked with the key that `talos audit root --vkey` prints.
    """

    async def answer() -> None:
        if form == TLOG_PROOF and since is not None:
            raise UsageError("a tlog-proof has no room for --since", fix="Ask for --format json")
        if out is not None:
            _require_free(out, force=force)
        made = await _make(place, index, since=since, sealed=sealed or form == TLOG_PROOF)
        text = made.encode() if form == JSON else _tlog_proof(made)
        if out is None:
            _print(text, form, place)
            return
        atomic_write(out, text.encode())
        if place.as_json:
            show({"index": index, "out": str(out), "format": form, "sealed": made.opened is None})
        else:
            click.echo(out)

    perform(answer, as_json=place.as_json)


async def _make(place: Place, index: int, *, since: int | None, sealed: bool) -> Proof:
    async with place.node_if_running() as node:
        if node is not None:
            return await node.audit_proof(index, since=since, reveal=not sealed)
    with read_store(place) as store, store.snapshot() as rows:
        made = make_proof(rows, Reader(rows, None), index, since=since, reveal=False)
    if not sealed:
        click.echo("no node is running: what the entry says stays sealed; start talos-node to reveal it", err=True)
    return made


def _tlog_proof(made: Proof) -> str:
    return TlogProof(made.index, made.path, made.checkpoint, extra=made.leaf).encode().decode()


def _print(text: str, form: str, place: Place) -> None:
    if place.as_json and form != JSON:
        show({"proof": text})
    else:
        click.echo(text, nl=False)  # To the byte: a proof that was formatted anew is refused.


def _require_free(out: Path, *, force: bool) -> None:
    """Raises `UsageError` unless nothing is at `out`, or with `force` a file that may be replaced.

    Links are not followed: the write is a rename, which would put a file in the place of a link or of a device.
    """
    try:
        has_folder, mode = out.parent.is_dir(), _mode_of(out)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}", fix="Give a file in a folder of your own") from error
    if not has_folder:
        raise UsageError(f"{out} is no place for a file", fix="Give a file in a folder that is there")
    if mode is None:
        return
    if not stat.S_ISREG(mode):
        raise UsageError(
            f"{out} is there already, and is no plain file", fix="Choose another file; without --out stdout is taken"
        )
    if not force:
        raise UsageError(f"{out} is there already", fix="Choose another file, or say --force")


def _mode_of(path: Path) -> int | None:
    """Return the mode of what is there, of a link its own; None where nothing is."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
