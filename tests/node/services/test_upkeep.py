"""What is done every hour, whatever becomes of it with one peer."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from talos.core.step import Put, Step
from talos.core.tables import KEYLOGS, PARTIES
from talos.services.desk import Desk
from talos.services.peer import Peer
from talos.services.upkeep import ROUND_S
from tests.node.services.test_links_strangers import talk
from tests.node.services.wire import CLOCK, Running, running, until


async def damage(node: Running, table: str, did: bytes) -> None:
    """Spoil what is on disk of a peer, as if the node had started with it."""
    keys = [key for key, _ in node.opened.host.store.scan(table, did)]
    assert keys
    await node.desk.post.submit_own(Step(tuple(Put(table, key, b"\x00") for key in keys))).on_disk()
    node.desk.directory.forget(did)


@pytest.mark.parametrize("table", [KEYLOGS, PARTIES])
async def test_a_peer_whose_rows_are_damaged_ends_nothing_but_what_is_its_own(
    table: str, autojump_clock: MockClock
) -> None:
    async with running("a", "b", "c") as (a, b, c):
        for other in (b, c):
            await a.links.connect(a.peer(other))
        await damage(a, table, b.did)
        await CLOCK.sleep(ROUND_S + 1.0)
        assert a.peer(b).reason is not None
        assert a.peer(c).reason is None
        await c.node.send(a.node.did, b"still well")
        assert (await a.node.receive()).body == b"still well"


async def test_a_session_whose_party_cannot_be_read_is_replaced(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        link = a.peer(b).link
        assert link is not None
        old = link.session_id
        await damage(a, PARTIES, b.did)
        link.close("gone")
        await until(lambda: a.peer(b).link is None and b.peer(a).link is None)
        await talk(a, b)
        assert not a.peer(b).conversation.holds(old)


async def test_a_round_over_many_peers_lets_others_run_in_between(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, turns, seen = trio.Event(), 0, list[int]()

    def look(desk: Desk, peer: Peer) -> None:
        begun.set()
        seen.append(turns)

    monkeypatch.setattr(Desk, "recheck", look)
    async with running("a") as (a,):
        for number in range(4):
            a.desk.post.peer(number.to_bytes(32, "big"))
        await begun.wait()
        while len(seen) < 4:
            turns += 1
            await trio.lowlevel.checkpoint()
    assert seen[0] < seen[-1]
