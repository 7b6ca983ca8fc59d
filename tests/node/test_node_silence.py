"""A link that died without a word: the peer that comes back is not sent away for its sake."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from talos.services.post import CROSSING_S
from tests.node.services.wire import CLOCK, Running, running, until

SOON_S = 1.0  # A dial and a greeting, many times over.


async def lose_in_silence(dialler: Running, listener: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener's machine loses the link; the dialler hears nothing of that."""
    ours, theirs = dialler.wire.streams[-1]
    ours.is_deaf = theirs.is_deaf = True
    monkeypatch.setattr(theirs, "aclose", trio.lowlevel.checkpoint)
    lost = listener.peer(dialler).link
    assert lost is not None
    lost.close("the machine came back without it")
    await until(lambda: listener.peer(dialler).link is None)


@pytest.mark.parametrize("dialler_is_smaller", [True, False])
async def test_a_peer_that_comes_back_is_heard_though_our_own_link_to_it_looks_alive(
    dialler_is_smaller: bool, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("a", "b") as nodes:
        dialler, listener = sorted(nodes, key=lambda node: node.did, reverse=not dialler_is_smaller)
        await dialler.links.connect(dialler.peer(listener))
        await CLOCK.sleep(CROSSING_S + SOON_S)
        await lose_in_silence(dialler, listener, monkeypatch)
        with trio.fail_after(SOON_S):
            await listener.node.send(dialler.node.did, b"I am back")
            assert (await dialler.node.receive()).body == b"I am back"
            await dialler.node.send(listener.node.did, b"I hear you")
            assert (await listener.node.receive()).body == b"I hear you"
