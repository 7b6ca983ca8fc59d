"""`talos audit verify-chain`: whether the log, or an exported copy, is as it was written."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from talos.cli.audit.progress import Progress
from talos.cli.audit.source import damage, read_file, read_store
from talos.cli.audit.tlog_folder import check_folder
from talos.cli.perform import columns, perform, show
from talos.cli.place import Place, at_a_place
from talos.core.chain import check_chain, read_card
from talos.core.report import ChainReport
from talos.errors import UsageError
from talos_audit import NOTE_SIZE_MAX, AuditError, Checkpoint, VerifierKey, open_checkpoint

# Not from the export: whoever forged that has put a key of his own beside it.
VKEY_FIX: Final = "Ask the owner of the log for what `talos audit root --vkey` prints, not whoever made the copy"
HOLDS: Final = "the log holds"
NOT_CHECKED: Final = "bodies not checked: they are sealed"


@click.command("verify-chain")
@at_a_place
@click.option(
    "--checkpoint",
    "kept",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A checkpoint that you kept: the log must go on from it. May be repeated.",
)
@click.option("--tlog", metavar="DIR", type=click.Path(path_type=Path), help="Check an export, and no node's log.")
@click.option("--vkey", help="The key of the exported log, from somebody you trust.")
def verify_chain(place: Place, kept: tuple[Path, ...], tlog: Path | None, vkey: str | None) -> None:
    """Check every entry and every hash of the log. Needs no passphrase, and no node; it may run beside one.

    Whoever has the node's keys could write another log and sign it: a kept checkpoint (`talos audit root
    --checkpoint`) finds that out too. Exits with 7, naming what is wrong.
    """

    async def answer() -> None:
        if (tlog is None) != (vkey is None):
            raise UsageError(
                "--tlog and --vkey go together: who verifies an export must know whose it is",
                fix=VKEY_FIX,
            )
        if tlog is not None and vkey is not None:
            _say_export(_check_export(tlog, vkey, kept), place)
        else:
            _say(_check(place, kept), place)

    perform(answer, as_json=place.as_json)


def _check(place: Place, kept: tuple[Path, ...]) -> ChainReport:
    notes = [(file, read_file(file, size_max=NOTE_SIZE_MAX)) for file in kept]
    with read_store(place) as store:
        key = read_card(store).verifier
        held = [_open(file, note, key) for file, note in notes]
        return check_chain(store, held=held, progress=Progress("checked"))


def _check_export(folder: Path, vkey: str, kept: tuple[Path, ...]) -> Checkpoint:
    try:
        key = VerifierKey.parse(vkey)
    except AuditError as error:
        raise UsageError(f"--vkey: {error}", fix=VKEY_FIX) from error
    held = [_open(file, read_file(file, size_max=NOTE_SIZE_MAX), key) for file in kept]
    # All files anew for each: `verify_tiles` compares with one checkpoint, and what was read is too much to be kept.
    checked = check_folder(folder, key, held[0] if held else None, Progress("checked"))
    for checkpoint in held[1:]:
        check_folder(folder, key, checkpoint, Progress("checked"))
    return checked


def _open(file: Path, note: bytes, key: VerifierKey) -> Checkpoint:
    with damage(f"the checkpoint in {file} is none of this log", fix=f"Give one of {key.name}"):
        return open_checkpoint(note, key)


def _say(report: ChainReport, place: Place) -> None:
    if place.as_json:
        show(asdict(report))
        return
    rows = [
        ("log", report.origin),
        ("entries", str(report.size)),
        ("root", f"0x{report.root}"),
        ("signed", str(report.signed_size)),
        ("erased", str(report.erased)),
    ]
    click.echo(columns(rows))
    click.echo(HOLDS)
    if not report.bodies_checked:
        click.echo(NOT_CHECKED)


def _say_export(checkpoint: Checkpoint, place: Place) -> None:
    root = checkpoint.root.hex()
    if place.as_json:
        show({"origin": checkpoint.origin, "size": checkpoint.size, "root": root})
        return
    click.echo(columns([("log", checkpoint.origin), ("entries", str(checkpoint.size)), ("root", f"0x{root}")]))
    click.echo(HOLDS)  # What entries say is in no export.
