"""What strangers, callers and clients cannot do to a relay, or through one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest
import trio

from talos import Node
from talos.core import reservations
from talos.core.budgets import RATES, Source, Work
from talos.core.greeting import Greeting, Join, Joined, Show, Through
from talos.core.names import parse_peer
from talos.core.reservations import RelayFull
from talos.drivers.entropy import entropy
from talos.drivers.tcp import TcpNetwork
from talos.errors import Refused, TalosError
from talos.host import Address, LinkClosed, Stream
from talos.services.link import GREETING_S, Link
from talos.services.places import STRANGERS_PER_HOST
from talos.services.question import Question, asking
from talos.services.relaying import relay as relaying
from talos.services.relaying.relay import Say, Served
from talos.services.requests import RequestType
from tests.node.test_discovery import PATIENCE_S, discovery, found
from tests.node.test_relay import hidden, near, relay_of
from tests.processes.running import place, running, settings, until


@asynccontextmanager
async def asked(node: Node) -> AsyncIterator[Question]:
    at = Address("127.0.0.1", place(node).port)
    with trio.fail_after(PATIENCE_S):
        async with asking(TcpNetwork(), entropy, at, node._me.pair.public) as question:
            yield question


async def answer(node: Node, word: Greeting) -> Greeting:
    async with asked(node) as question:
        return await question.ask(word)


@asynccontextmanager
async def relay_and_client() -> AsyncIterator[tuple[Node, Node]]:
    """Run a relay, and a client that has its reservation."""
    async with running(replace(settings("relay"), relay=True)) as relay, hidden("bob", relay) as bob:
        await until(lambda: len(relay_of(relay).reservations) == 1)
        yield relay, bob


async def elsewhere(relay: Node, client: Node) -> None:
    """Let the relay see its second client at an address of its own: all of one address have one share."""
    of_relay = relay_of(relay)
    await until(lambda: len(of_relay.reservations) == 2)
    of_relay.reservations.reserve(parse_peer(client.did), b"elsewhere", of_relay._desk.steady_ms())


async def test_a_node_that_is_no_relay_joins_nobody() -> None:
    async with running(settings("plain")) as plain:
        for word in (Through(bytes(32)), Join(bytes(16))):
            with pytest.raises(LinkClosed):
                await answer(plain, word)
        assert plain.last_crash is None


async def test_who_has_no_reservation_cannot_be_called_and_no_token_can_be_guessed() -> None:
    async with relay_and_client() as (relay, _):
        for word in (Through(bytes(32)), Join(bytes(16))):
            with pytest.raises(Refused, match="NO_WAY"):
                await answer(relay, word)
        assert relay_of(relay).reservations.calls == 0


async def test_a_key_log_that_nothing_waits_for_is_not_taken() -> None:
    async with running(settings("plain")) as plain:
        with pytest.raises(Refused, match="NO_WAY"):
            await answer(plain, Show(bytes(32)))


async def test_who_does_not_wait_for_the_answer_is_not_joined() -> None:
    async with relay_and_client() as (relay, bob):
        async with asked(relay) as question:
            await question.stream.send_all(b"")
            original = question.stream.send_all

            async def hasty(data: bytes) -> None:
                await original(data + b"\x00\x00")

            question.stream.send_all = hasty  # type: ignore[method-assign]  # What no code of ours would send.
            with pytest.raises(TalosError):
                await question.ask(Through(parse_peer(bob.did)))
        await until(lambda: relay_of(relay).reservations.calls == 0)
        assert relay.last_crash is None


async def test_what_came_through_a_relay_is_joined_to_nobody_else() -> None:
    async with running(replace(settings("outer"), relay=True)) as outer:
        inner_config = replace(
            settings("inner"), listen=(), relays=(place(outer),), bootstrap=(place(outer),), relay=True
        )
        async with running(inner_config) as inner:
            await until(lambda: len(relay_of(outer).reservations) == 1)
            async with asked(outer) as question:
                assert await question.ask(Through(parse_peer(inner.did))) == Joined()
                second = Question(question.stream, entropy, inner._me.pair.public)
                with pytest.raises(LinkClosed):
                    await second.ask(Through(parse_peer(outer.did)))


async def test_a_client_that_does_not_come_costs_its_caller_a_wait_and_the_relay_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relaying, "CALL_MS", 300)
    async with relay_and_client() as (relay, bob):

        async def nods(peer: object, token: bytes) -> bytes:
            return b""

        bob._running_now().requests.handlers[RequestType.CALLED] = nods
        with pytest.raises(Refused, match="NO_WAY"):
            await answer(relay, Through(parse_peer(bob.did)))
        assert relay_of(relay).reservations.calls == 0


async def test_a_call_that_its_caller_leaves_is_over_at_both_ends() -> None:
    async with relay_and_client() as (relay, bob):
        async with asked(relay) as question:
            assert await question.ask(Through(parse_peer(bob.did))) == Joined()
            assert relay_of(relay).reservations.calls == 1
        await until(lambda: relay_of(relay).reservations.calls == 0)
        await until(lambda: len(bob._running_now().links._places) == 0)


async def test_callers_that_say_nothing_do_not_keep_others_from_a_client() -> None:
    async with relay_and_client() as (relay, bob), near("ada", relay) as ada, AsyncExitStack() as silent:
        await found(ada, bob)
        for _ in range(STRANGERS_PER_HOST):
            question = await silent.enter_async_context(asked(relay))
            assert await question.ask(Through(parse_peer(bob.did))) == Joined()
        await until(lambda: len(bob._running_now().links._places) == STRANGERS_PER_HOST)
        with trio.fail_after(GREETING_S / 2):
            await ada._running_now().links.connect(ada._desk.post.peer(parse_peer(bob.did)))


async def test_one_host_calls_a_client_ten_times_a_minute_and_another_client_besides() -> None:
    async with relay_and_client() as (relay, bob), hidden("cyd", relay) as cyd:
        await until(lambda: len(relay_of(relay).reservations) == 2)
        for _ in range(RATES[Work.CALL].host):
            assert await answer(relay, Through(parse_peer(bob.did))) == Joined()
        with pytest.raises(Refused, match="NO_WAY"):
            await answer(relay, Through(parse_peer(bob.did)))
        assert await answer(relay, Through(parse_peer(cyd.did))) == Joined()


async def test_a_call_that_makes_way_for_another_ends_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reservations, "CALLS_MAX", 3)
    async with relay_and_client() as (relay, bob), hidden("cyd", relay) as cyd, AsyncExitStack() as greedy:
        await elsewhere(relay, cyd)
        questions = [await greedy.enter_async_context(asked(relay)) for _ in range(3)]
        for question in questions:
            assert await question.ask(Through(parse_peer(bob.did))) == Joined()
        assert await answer(relay, Through(parse_peer(cyd.did))) == Joined()
        with trio.fail_after(GREETING_S / 2):  # Sooner than the client itself gives up who says nothing.
            assert await questions[0].stream.receive_some(1) == b""
        assert relay_of(relay).reservations.calls <= 3


@pytest.mark.parametrize("nods", [True, False], ids=["nods", "silent"])
async def test_a_call_that_makes_way_while_it_waits_is_told_at_once_and_why(
    monkeypatch: pytest.MonkeyPatch, nods: bool
) -> None:
    monkeypatch.setattr(reservations, "WAITING_MAX", 2)
    async with relay_and_client() as (relay, bob), hidden("cyd", relay) as cyd, trio.open_nursery() as nursery:
        await elsewhere(relay, cyd)

        async def never_comes(peer: object, token: bytes) -> bytes:
            if not nods:
                await trio.sleep_forever()
            return b""

        bob._running_now().requests.handlers[RequestType.CALLED] = never_comes
        refused: list[Refused] = []
        original = relay_of(relay).through

        async def noting(link: Link, did: bytes, source: Source, say: Say) -> Served:
            try:
                return await original(link, did, source, say)
            except Refused as error:
                refused.append(error)
                raise

        relay_of(relay).through = noting  # type: ignore[method-assign]  # A caller hears no more than NO_WAY.

        async def call() -> None:
            with pytest.raises(Refused, match="NO_WAY"):
                await answer(relay, Through(parse_peer(bob.did)))
            told.set()

        told = trio.Event()
        for _ in range(2):
            nursery.start_soon(call)
        await until(lambda: relay_of(relay).reservations.calls == 2)
        assert await answer(relay, Through(parse_peer(cyd.did))) == Joined()
        with trio.fail_after(reservations.CALL_MS / 4_000):
            await told.wait()
        assert [type(error) for error in refused] == [RelayFull]
        assert "calls as may wait" in refused[0].what
        nursery.cancel_scope.cancel()


async def test_a_call_whose_client_comes_when_no_more_may_be_joined_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reservations, "CALLS_MAX", 1)
    async with relay_and_client() as (relay, bob), asked(relay) as first:
        assert await first.ask(Through(parse_peer(bob.did))) == Joined()
        with trio.fail_after(reservations.CALL_MS / 4_000), pytest.raises(Refused, match="NO_WAY"):
            await answer(relay, Through(parse_peer(bob.did)))
        assert relay_of(relay).reservations.calls == 1


async def test_a_relay_cannot_read_what_passes_nor_whom_it_is_from() -> None:
    async with relay_and_client() as (relay, bob), near("ada", relay) as ada:
        await found(ada, bob)
        seen = bytearray()
        of_relay = relay_of(relay)
        original = of_relay._join

        async def listening(did: bytes, caller: Stream, called: Stream) -> None:
            plain = called.send_all

            async def send_all(data: bytes) -> None:
                seen.extend(data)
                await plain(data)

            called.send_all = send_all  # type: ignore[method-assign]  # The relay listens.
            await original(did, caller, called)

        of_relay._join = listening  # type: ignore[method-assign]  # Likewise.
        await ada.send(bob.did, b"a secret that nobody else shall know", timeout=PATIENCE_S)
        assert (await bob.receive()).body == b"a secret that nobody else shall know"
        assert len(seen) > 1_000
        assert b"a secret" not in seen
        assert parse_peer(ada.did) not in seen
        assert discovery(relay).ports.traffic.sent > 0
