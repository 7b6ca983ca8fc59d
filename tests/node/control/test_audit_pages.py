"""How much of the log one answer of the control socket holds, and how the client asks for the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from talos.control.audit_values import read_entries, write_entry
from talos.control.client import ControlClient
from talos.control.values import COUNT_MAX
from talos.core.diary_read import Query
from talos.core.names import did_of
from talos.core.report import AuditEntry
from talos.core.step import Step
from talos.host import Stream
from talos.runtime import Node
from tests.node.control.serving import serving
from tests.node.control.test_client import requests, say, speaking_to
from tests.node.core.logs import BOB, note

PAGE: Final = 48  # Entries in one answer: what the documentation of the verb promises.
WRITTEN: Final = 2 * PAGE + 5
ENTRY: Final = AuditEntry(7, "MESSAGE", 1, "ab" * 16, 0, "", {"event": "sent", "seq": 1})


async def fill(node: Node) -> list[AuditEntry]:
    """Write entries about Bob; return the whole log."""
    await node._committer.commit(Step(entries=tuple(note(number, BOB) for number in range(WRITTEN))))
    everything = await node.audit.query(Query())
    assert len(everything) > WRITTEN
    return everything


async def answer(client: ControlClient, **arguments: object) -> list[AuditEntry]:
    """Return what one single request is answered with."""
    return read_entries(await client._call("audit_query", **arguments))


@pytest.mark.parametrize("last", [None, PAGE + 1, 2 * PAGE, 10_000, COUNT_MAX])
async def test_one_answer_has_48_entries_however_many_are_asked_for_and_they_are_the_newest(
    tmp_path: Path, last: int | None
) -> None:
    async with serving(tmp_path) as node, ControlClient(tmp_path) as client:
        everything = await fill(node)
        assert await answer(client, last=last) == everything[-PAGE:]
        assert await answer(client, last=last, before=everything[-PAGE].index) == everything[-2 * PAGE : -PAGE]
        about_bob = [entry for entry in everything if entry.peer == did_of(BOB)]
        assert await answer(client, last=last, peer=did_of(BOB)) == about_bob[-PAGE:]


@pytest.mark.parametrize("last", [0, 1, PAGE - 1, PAGE])
async def test_fewer_are_answered_as_asked_for(tmp_path: Path, last: int) -> None:
    async with serving(tmp_path) as node, ControlClient(tmp_path) as client:
        everything = await fill(node)
        assert await answer(client, last=last) == everything[len(everything) - last :]


def entries(indexes: range) -> list[AuditEntry]:
    return [replace(ENTRY, index=index) for index in indexes]


@pytest.mark.parametrize(
    ("last", "size", "asked"),
    [
        (None, 0, [(PAGE, None)]),
        (None, PAGE - 1, [(PAGE, None)]),
        (None, PAGE, [(PAGE, None), (PAGE, 0)]),
        (None, 2 * PAGE + 5, [(PAGE, None), (PAGE, PAGE + 5), (PAGE, 5)]),
        (10, 1_000, [(10, None)]),
        (PAGE, 1_000, [(PAGE, None)]),
        (PAGE + 1, 1_000, [(PAGE, None), (1, 1_000 - PAGE)]),
        (2 * PAGE + 5, 1_000, [(PAGE, None), (PAGE, 1_000 - PAGE), (5, 1_000 - 2 * PAGE)]),
        (10_000, PAGE + 3, [(PAGE, None), (PAGE, 3)]),
    ],
)
async def test_the_client_asks_for_pages_of_48_each_before_the_last_until_it_has_what_it_wants(
    tmp_path: Path, last: int | None, size: int, asked: list[tuple[int, int | None]]
) -> None:
    heard = list[tuple[int, int | None]]()

    async def script(stream: Stream) -> None:
        for _ in asked:
            (request,) = await requests(stream, 1)
            most, before = request["last"], request["before"]
            heard.append((most, before))
            stop = size if before is None else before
            page = entries(range(max(0, stop - most), stop))
            await say(stream, {"id": request["id"], "ok": {"entries": [write_entry(entry) for entry in page]}})

    async with speaking_to(tmp_path, script) as client:
        found = await client.audit_query(last=last)
    assert heard == asked
    wanted = size if last is None else min(last, size)
    assert [entry.index for entry in found] == list(range(size - wanted, size))
