"""`talos audit query`: entries of the log."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

import click

from talos.cli.audit.source import read_store
from talos.cli.audit.words import NO_NODE, table
from talos.cli.perform import perform, show
from talos.cli.place import Place, at_a_place
from talos.client.asking import at_ms, make_query
from talos.core.diary_read import Query, Reader
from talos.core.names import did_of
from talos.core.report import AuditEntry
from talos.errors import UsageError

LAST: Final = 20


@click.command()
@at_a_place
@click.option("--type", "type", metavar="TYPE", help="Only entries of a type, such as MESSAGE.")
@click.option("--peer", metavar="DID", help="Only entries about a peer: its DID or peer id.")
@click.option("--from", "start", metavar="ISO8601", help="Only from this moment on; in UTC, unless it says otherwise.")
@click.option("--to", "stop", metavar="ISO8601", help="Only before this moment.")
@click.option("--last", default=LAST, type=click.IntRange(1), show_default=True, help="The newest so many of these.")
def query(place: Place, type: str | None, peer: str | None, start: str | None, stop: str | None, last: int) -> None:
    """Print entries, the oldest first. With no node running, what they say stays sealed.

    Long values are cut short: `talos audit show` and --json have them whole.
    """

    async def answer() -> None:
        asked = make_query(type, peer, from_ms=_ms(start, "--from"), to_ms=_ms(stop, "--to"), last=last)
        entries, is_sealed = await _ask(place, asked)
        if place.as_json:
            show({"entries": [asdict(entry) for entry in entries], "sealed": is_sealed})
        elif entries:
            click.echo(table(entries, closed="sealed" if is_sealed else "erased"))
        if is_sealed:
            click.echo(NO_NODE, err=True)

    perform(answer, as_json=place.as_json)


async def _ask(place: Place, asked: Query) -> tuple[list[AuditEntry], bool]:
    """Return the entries, and whether they are sealed to us."""
    async with place.node_if_running() as node:
        if node is not None:
            type = None if asked.type is None else asked.type.name
            peer = None if asked.peer is None else did_of(asked.peer)
            found = await node.audit_query(type, peer, from_ms=asked.from_ms, to_ms=asked.to_ms, last=asked.last)
            return found, False
    with read_store(place) as store, store.snapshot() as rows:
        return Reader(rows, None).query(asked), True


def _ms(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option}: {text[:80]!r} is no moment", fix="Write it as 2026-01-31T12:00:00Z") from None
    return at_ms(moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC))
