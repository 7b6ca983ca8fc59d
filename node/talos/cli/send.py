"""`talos send`: one message to one peer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO, Final

import click

from talos.cli.perform import perform, show
from talos.cli.place import Place, at_a_place
from talos.control.values import (
    ON_FAILURE,
    ON_FAILURE_DEFAULT,
    RETRIES,
    RETRIES_MAX,
    TIMEOUT_MAX_S,
    TIMEOUT_S,
    write_receipt,
)
from talos.core.frames import MESSAGE_SIZE_MAX
from talos.core.report import ReceiptState
from talos.errors import UsageError

QUEUED: Final = 6  # The exit code of "queued, not delivered in time".


@click.command()
@at_a_place
@click.argument("peer")
@click.argument("text", required=False)
@click.option("--file", "file", type=click.Path(path_type=Path), help="Send the content of a file.")
@click.option("--timeout", default=TIMEOUT_S, type=click.FloatRange(0, TIMEOUT_MAX_S), help="Seconds per attempt.")
@click.option("--retry-count", default=RETRIES, type=click.IntRange(0, RETRIES_MAX), help="Attempts after the first.")
@click.option(
    "--on-failure", default=ON_FAILURE_DEFAULT, type=click.Choice([*ON_FAILURE]), help="Keep trying, or give up."
)
def send(
    place: Place, peer: str, text: str | None, file: Path | None, timeout: float, retry_count: int, on_failure: str
) -> None:
    """Send TEXT, a file, or (with - for TEXT) what comes on stdin. PEER is a DID or a peer id.

    Exits with 0 when it is on the peer's disk, and with 6 when it waits on ours.
    """

    async def deliver() -> None:
        message = _message(text, file)
        async with place.node() as client:
            receipt = await client.send(
                peer, message, timeout_s=timeout, retry_count=retry_count, on_failure=on_failure
            )
        if place.as_json:
            show(write_receipt(receipt))
        else:
            click.echo(f"{receipt.state.value} {receipt.id}")
            if receipt.why_queued is not None:
                click.echo(f"queued: {receipt.why_queued}", err=True)
        if receipt.state is ReceiptState.QUEUED:
            raise click.exceptions.Exit(QUEUED)

    perform(deliver, as_json=place.as_json)


def _message(text: str | None, file: Path | None) -> bytes:
    if (text is None) == (file is None):
        raise UsageError("there must be one message: TEXT, --file or -", fix="talos send PEER TEXT")
    if file is not None:
        try:
            with file.open("rb") as stream:
                return _read(stream, str(file))
        except OSError as error:
            raise UsageError(f"cannot read {file}: {error.strerror}", fix="Give a file that you may read") from error
    if text == "-":
        return _read(sys.stdin.buffer, "stdin")
    return (text or "").encode("utf-8", "surrogateescape")  # The bytes that were typed, whatever they are.


def _read(stream: BinaryIO, where: str) -> bytes:
    message = stream.read(MESSAGE_SIZE_MAX + 1)
    if len(message) > MESSAGE_SIZE_MAX:
        raise UsageError(
            f"{where} has more than {MESSAGE_SIZE_MAX} bytes, and no message has",
            fix="Cut it into pieces: Talos does not",
        )
    return message
