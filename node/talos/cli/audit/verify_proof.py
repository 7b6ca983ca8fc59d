"""`talos audit verify-proof`: checking somebody's proof, with no node and no identity."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from talos.cli.audit.source import STDIN, damage, naming, read_file
from talos.cli.audit.words import whole
from talos.cli.perform import columns, perform, show
from talos.cli.place import Place, at_a_place
from talos.client.asking import parse_root
from talos.core.names import did_of
from talos.core.proof_file import TEXT_SIZE_MAX, Proof, check_proof
from talos.errors import Damaged, UsageError
from talos_audit import Checkpoint, open_checkpoint

UTF8_MAX: Final = 4  # Bytes of one character.
TLOG_PROOF_BEGIN: Final = "c2sp.org/tlog-proof@"  # Of any version. Source: C2SP, tlog-proof.


@click.command("verify-proof")
@at_a_place
@click.option("--proof", "file", required=True, type=click.Path(path_type=Path), help="proof.json; - is stdin.")
@click.option("--root", required=True, metavar="0x...", help="The root that you hold.")
def verify_proof(place: Place, file: Path, root: str) -> None:
    """Print what a proof shows to be in the log whose ROOT you hold. Exits with 7 and the reason if it does not.

    Trust the root, not the proof: it must come from somewhere else, such as `talos audit root --peer DID`.
    """

    async def answer() -> None:
        held = parse_root(f"0x{root[2:]}" if root.startswith("0X") else root)
        text = _text(file)
        with naming(_name_of(file)), damage("the checkpoint in the proof does not hold"):
            proof = Proof.decode(text)
            entry = check_proof(proof, held)
            checkpoint = open_checkpoint(proof.checkpoint, proof.card.verifier)
        did, since = did_of(proof.card.did), _since(proof, held, checkpoint)
        came_later = since is not None and proof.index >= since
        if place.as_json:
            head = {"did": did, "origin": checkpoint.origin, "size": checkpoint.size, "since": since}
            show({**head, "came_later": came_later, "entry": asdict(entry), "sealed": proof.opened is None})
            return
        rows = [("did", did), ("log", checkpoint.origin), ("entries", str(checkpoint.size))]
        if since is not None:
            rows.append(("your root", f"of the first {since} entries; the log has only grown since"))
        if came_later:
            rows.append(("came later", f"the log of your root had {since} entries; this one came later"))
        click.echo(columns([*rows, *whole(entry, closed="sealed")]))

    perform(answer, as_json=place.as_json)


def _text(file: Path) -> str:
    try:
        text = read_file(file, size_max=TEXT_SIZE_MAX * UTF8_MAX).decode()
    except UnicodeDecodeError:
        raise Damaged(f"{_name_of(file)}: the proof is no text") from None
    if text.startswith(TLOG_PROOF_BEGIN):
        raise UsageError(
            f"{_name_of(file)} is a C2SP tlog-proof, and not a proof.json",
            fix="Ask for the other: talos audit proof INDEX. Or check it with C2SP tools, and the key of the log:"
            " talos audit root --vkey",
        )
    return text


def _name_of(file: Path) -> str:
    return "stdin" if file == STDIN else str(file)


def _since(proof: Proof, held: bytes, checkpoint: Checkpoint) -> int | None:
    """Return of how many entries the root is that the user holds, if it is not the checkpoint's."""
    if held == checkpoint.root or proof.earlier is None:
        return None
    return proof.earlier.size
