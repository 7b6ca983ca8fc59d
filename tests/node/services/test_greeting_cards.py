"""The dialler and cards: whose is kept, which is believed, and what becomes of one that is old."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import trio
from nacl.signing import SigningKey
from trio.testing import MockClock

from talos.core.frames import Kind, wrap
from talos.core.greeting import (
    Card,
)
from talos.core.identity import load
from talos.core.keylog import write
from talos.core.keylog_keys import signer
from talos.core.keylog_kinds import Role
from talos.core.keylog_rank2 import Instance
from talos.core.step import Put
from talos.core.tables import KEYLOGS
from talos.errors import Damaged, Refused, StoreFailed
from talos.host import Address, LinkClosed
from tests.node.services.test_greeting import come_back
from tests.node.services.test_links_strangers import talk
from tests.node.services.wire import CLOCK, Running, running


async def test_somebody_else_at_the_address_is_not_taken_for_the_peer(autojump_clock: MockClock) -> None:
    async with running("a", "b", "c") as (a, b, c):
        await a.desk.directory.add_address(b.did, c.address)
        b.wire.listeners.pop(b.address)
        for ask in (lambda: a.links.connect(a.peer(b)), lambda: a.links.look(c.address, b.did)):
            with pytest.raises(LinkClosed):  # An honest node shows its card to nobody who asks for another.
                await ask()
        assert a.links.bound == c.links.bound == 0


async def test_who_answers_and_says_nothing_is_not_the_last_way_that_is_tried(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        silent = Address("silent", 4000)
        b.wire.listen(silent)
        await a.desk.directory.add_address(b.did, silent)
        assert a.desk.directory.addresses(b.did) == [silent, b.address]
        await a.links.connect(a.peer(b))
        assert a.links.bound == 1


async def test_a_cache_that_takes_nothing_keeps_nobody_from_dialling(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    def fails(writes: object) -> None:
        raise StoreFailed("the disk said no")

    async with running("a", "b") as (a, b):
        with monkeypatch.context() as patch:
            patch.setattr(a.opened.host.cache, "commit", fails)
            await a.links.connect(a.peer(b))
            assert a.links.bound == 1
            assert "the disk said no" in str(a.node.status().reason)
            await a.desk.directory.forget_card(b.did)
        assert a.desk.directory.card(b.did, a.desk.now_ms()) is None
        await a.links.look(b.address, b.did)
        assert a.desk.directory.card(b.did, a.desk.now_ms()) is not None
        assert a.node.status().store_ok


async def test_the_card_of_somebody_else_is_refused_whatever_was_asked(autojump_clock: MockClock) -> None:
    async with running("a", "b", "c") as (a, b, c):
        await b.leave()
        listener = b.wire.listen(b.address)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_show, listener.accept, c.desk.card())
            with pytest.raises(Refused, match="answers there, not"):
                await a.links.connect(a.peer(b))


@pytest.mark.parametrize("part", ["key_log", "party", "bundle"])
async def test_a_card_with_anything_wrong_is_not_kept(part: str, autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        true = b.desk.card()
        raw = getattr(true, part)
        forged = replace(true, **{part: raw[:-1] + bytes((raw[-1] ^ 1,))})
        await b.leave()
        listener = b.wire.listen(b.address)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_show, listener.accept, forged)
            with pytest.raises((Damaged, Refused)):
                await a.links.look(b.address, b.did)
        assert a.desk.directory.card(b.did, CLOCK.wall_ms()) is None


async def _show(accept: Callable[[], Awaitable[object]], card: Card) -> None:
    stream = await accept()
    await stream.frame()  # type: ignore[attr-defined]  # A MemoryStream.
    await stream.send_all(wrap(bytes((Kind.CARD,)) + card.encode()))  # type: ignore[attr-defined]  # As above.


async def test_a_peer_whose_key_log_has_grown_is_met_with_a_new_card(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.look(b.address, b.did)
        await b.leave()
        grow(b)
        async with trio.open_nursery() as nursery:
            back = await come_back(b, nursery)
            with pytest.raises(Refused):  # The card that was kept is of a shorter key log.
                await a.links.connect(a.peer(b))
            await a.links.connect(a.peer(b))
            await talk(a, back)
            back.scope.cancel()


def grow(who: Running) -> None:
    """Certify a second instance, as its owner would, and make the party record anew."""
    opened, key = who.opened, SigningKey(who.rotation_key)
    second = Instance(bytes(32), bytes(range(32)), Role.SOLE, CLOCK.wall_ms() + 1_000_000)
    log = opened.me.key_log
    grown = log.extended(write(log, second, now_ms=CLOCK.wall_ms(), sign=signer(key)))
    opened.host.store.commit([Put(KEYLOGS, grown.state.did, grown.encode())])
    who.opened = replace(
        opened, me=load(opened.host.store, opened.vault, who.rotation_key, opened.host.clock.wall_ms())
    )


async def test_a_one_time_offer_is_gone_once_a_session_is_made_of_it_and_not_before() -> None:
    async with running("a", "b") as (a, b):
        await a.links.look(b.address, b.did)
        offered = b.desk.ring.offer(a.did, CLOCK.wall_ms())
        assert offered
        await a.links.connect(a.peer(b))
        assert b.desk.ring.offer(a.did, CLOCK.wall_ms()) == b""
