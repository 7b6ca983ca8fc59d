"""`talos inbox`: what others sent."""

from __future__ import annotations

from typing import Final

import click

from talos.cli.perform import perform, require_stdout, show
from talos.cli.place import Place, at_a_place
from talos.cli.text import printable, utc
from talos.control.client import ControlClient
from talos.control.fields import pack_octets
from talos.control.values import TICKETS_MAX, Handed
from talos.core.names import DID_PREFIX

FOLLOW_WAIT_S: Final = 600.0  # Per request; then it asks again.


@click.command()
@at_a_place
@click.option("--follow", is_flag=True, help="Wait for more, until interrupted.")
@click.option("--ack/--peek", default=True, help="Be done with what is printed (the default), or leave it there.")
@click.option("--limit", type=click.IntRange(1), help="Print at most so many.")
def inbox(place: Place, follow: bool, ack: bool, limit: int | None) -> None:
    """Print messages in the order they came. What is printed is done: it is not handed out again.

    With --json, one message per line; its body is base64.
    """

    async def read() -> None:
        require_stdout()
        async with place.node() as client:
            await _print_messages(client, place, wait_s=FOLLOW_WAIT_S if follow else 0.0, is_done=ack, limit=limit)

    perform(read, as_json=place.as_json)


async def _print_messages(
    client: ControlClient, place: Place, *, wait_s: float, is_done: bool, limit: int | None
) -> None:
    printed = 0
    # Without an ack the connection holds what it was given, and the node sets a limit to that.
    most = limit if is_done else min(limit or TICKETS_MAX, TICKETS_MAX)
    while most is None or printed < most:
        message = await client.receive(wait_s)
        if message is not None:
            _print(message, place)
            if is_done:
                await client.ack(message.ticket)  # Printed and flushed: only now.
            printed += 1
        elif not wait_s:
            return


def _print(message: Handed, place: Place) -> None:
    sender = DID_PREFIX + message.id.sender
    if place.as_json:
        show(
            {
                "message_id": str(message.id),
                "sender": sender,
                "received_ms": message.received_ms,
                "redelivered": message.redelivered,
                "body": pack_octets(message.body),
            }
        )
        return
    click.echo(f"from {sender} at {utc(message.received_ms)}{' (again)' if message.redelivered else ''}")
    click.echo(_text_of(message.body))


def _text_of(body: bytes) -> str:
    try:
        return printable(body.decode(), kept="\n\t")
    except UnicodeDecodeError:
        return f"({len(body)} bytes that are no text; --json prints them)"
