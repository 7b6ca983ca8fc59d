"""What a greeting says is on disk before it is said: who dies right after a word loses no session and reuses no key."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import product
from math import inf

import pytest
import trio
from trio.testing import MockClock

from talos.errors import TalosError
from talos.host import LinkClosed
from talos_simulations.suite import WatchedSuite
from tests.node.services.test_links_strangers import talk
from tests.node.services.wire import CLOCK, Running, T, Wire, inline, until

COMMITS_MAX = 4  # Of either end in one greeting, and one more.


class Gate:
    """Lets so many commits through, and no other."""

    def __init__(self, left: float = inf) -> None:
        self.left = left

    async def __call__(self, work: Callable[[], T]) -> T:
        if self.left <= 0:
            await trio.sleep_forever()
        self.left -= 1
        return await inline(work)


def session_of(node: Running, other: Running) -> bytes | None:
    resumed = node.peer(other).conversation.resume(CLOCK.wall_ms())
    return None if resumed is None else resumed[0]


async def try_to_connect(node: Running, other: Running) -> None:
    with suppress(TalosError, LinkClosed):  # One of the two dies meanwhile.
        await node.links.connect(node.peer(other))


def look(node: Running, suite: WatchedSuite) -> None:
    """Show the suite all that this node has said on any stream."""
    for ours, theirs in node.wire.streams:
        for stream, host in ((ours, theirs.peer.host), (theirs, ours.peer.host)):
            if host == node.name:
                suite.went_out(bytes(stream.sent))


@pytest.mark.parametrize("before", ["strangers", "introduced", "met"])
@pytest.mark.parametrize(("dies", "commits"), list(product("ab", range(COMMITS_MAX))))
async def test_who_dies_at_a_word_loses_no_session_and_reuses_no_key(
    before: str, dies: str, commits: int, autojump_clock: MockClock
) -> None:
    wire, suite, gate, reused = Wire(), WatchedSuite(), Gate(), list[bytes]()
    suite.reused = reused.append
    nodes = {name: Running(wire, name, suite=suite) for name in "ab"}
    a, b = nodes["a"], nodes["b"]
    nodes[dies].desk.post._committer._blocking = gate
    async with trio.open_nursery() as nursery:
        for node in (a, b):
            await nursery.start(node.run)
        await a.knows(b)
        if before == "introduced":
            await b.links.look(a.address, a.did)
        if before == "met":
            await a.links.connect(a.peer(b))
            await talk(a, b)
            link = a.peer(b).link
            assert link is not None
            link.close("gone")
            await until(lambda: b.peer(a).link is None)
        gate.left = commits
        nursery.start_soon(try_to_connect, a, b)
        await CLOCK.sleep(1.0)
        await nodes[dies].leave()
        look(nodes[dies], suite)
        back = Running(wire, dies, nodes[dies], suite=suite)
        survivor = b if dies == "a" else a
        held = session_of(survivor, back)
        await nursery.start(back.run)
        a, b = (back, b) if dies == "a" else (a, back)
        if a is back:
            await a.knows(b)
        await a.links.connect(a.peer(b))
        await talk(a, b)
        assert held in (None, session_of(survivor, back))
        look(back, suite)
        assert reused == []
        nursery.cancel_scope.cancel()
