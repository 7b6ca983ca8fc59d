"""What a node knows counts: an old key log, an old certificate or a failed commit does not talk it out of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from nacl.signing import SigningKey

from talos.config import Config
from talos.core.identity import CERTIFIED_MS
from talos.core.keylog import KeyLog, write
from talos.core.keylog_keys import signer
from talos.core.keylog_rank2 import InstanceRetired
from talos.core.names import PeerAddress, parse_peer
from talos.core.step import Put
from talos.core.tables import STATE_TABLES
from talos.drivers.clock import RealClock
from talos.drivers.data_folder import enrolled_on, in_memory
from talos.drivers.entropy import entropy
from talos.drivers.keystore import Keystore
from talos.drivers.memory_store import MemoryStore
from talos.errors import DeliveryFailed, StoreFull
from talos.host import Store
from talos.runtime import Node, create_identity, open_node

PATIENCE_S = 30.0


class SetClock(RealClock):
    """A wall clock that a test can set."""

    ahead_ms = 0

    def wall_ms(self) -> int:
        return super().wall_ms() + self.ahead_ms


class Refusing:
    """A store that is full for so many commits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.passes = 0  # So many commits pass ...
        self.refuses = 0  # ... before so many are refused.
        self.get, self.scan, self.snapshot, self.close = store.get, store.scan, store.snapshot, store.close
        self.room = store.room

    def commit(self, writes: Sequence[Put]) -> None:
        if self.passes:
            self.passes -= 1
        elif self.refuses:
            self.refuses -= 1
            raise StoreFull("the store is full; nothing was written")
        self._store.commit(writes)


def fresh() -> MemoryStore:
    return MemoryStore(STATE_TABLES)


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[Node]:
    async with trio.open_nursery() as nursery:
        await nursery.start(node.run)
        yield node
        nursery.cancel_scope.cancel()


def address(node: Node) -> PeerAddress:
    host, port = node.addresses[0].rsplit(":", 1)
    return PeerAddress(parse_peer(node.did), host, int(port))


def retired(folder: Path, log: KeyLog) -> KeyLog:
    """Return the log after the holder of `folder` has retired its one instance."""
    (instance,) = log.state.instances
    key = SigningKey(Keystore(folder).unlock(None).rotation_secret)
    return log.extended(write(log, InstanceRetired(instance), now_ms=log.state.time_ms, sign=signer(key)))


async def test_an_instance_known_to_be_retired_is_not_talked_to_though_it_shows_an_older_key_log(
    tmp_path: Path,
) -> None:
    config = Config(name="bob", data_dir=tmp_path / "bob", lan=False)
    create_identity(config, None)
    with trio.fail_after(PATIENCE_S), open_node(config) as bob, open_node(Config(name="ada", lan=False)) as ada:
        async with running(bob), running(ada):
            await ada._desk.learn(retired(tmp_path / "bob", bob._me.key_log))
            assert not (await ada.add_peer(address(bob))).linked
            with pytest.raises(DeliveryFailed):
                await ada.send(bob.did, b"secret", on_failure="raise")


async def test_a_session_ends_with_the_key_log_that_ends_it_even_if_whoever_learnt_it_is_cancelled(
    tmp_path: Path,
) -> None:
    config = Config(name="bob", data_dir=tmp_path / "bob", lan=False)
    create_identity(config, None)
    with trio.fail_after(PATIENCE_S), open_node(config) as bob, open_node(Config(name="ada", lan=False)) as ada:
        async with running(bob), running(ada):
            await ada.add_peer(address(bob))
            await ada.send(bob.did, b"x")
            with trio.CancelScope() as scope:
                scope.cancel()
                await ada._desk.learn(retired(tmp_path / "bob", bob._me.key_log))
            (peer,) = ada.peers()
            assert not peer.session
            with pytest.raises(DeliveryFailed):
                await ada.send(bob.did, b"y", on_failure="raise")


async def test_a_session_is_not_resumed_beyond_the_certificate_of_its_party() -> None:
    clock = SetClock()
    with in_memory("ada") as opened, open_node(Config(name="bob", lan=False)) as bob:
        ada = Node(
            Config(name="ada", lan=False), enrolled_on(replace(opened.host, clock=clock, store=fresh()), "ada", entropy)
        )
        with trio.fail_after(PATIENCE_S):
            async with running(ada), running(bob):
                await bob.add_peer(address(ada))
                await bob.send(ada.did, b"x")
                clock.ahead_ms = CERTIFIED_MS + 1
                link = ada._desk.post.peer(parse_peer(bob.did)).link
                assert link is not None
                link.close("the test wants a new greeting")
                with pytest.raises(DeliveryFailed):
                    await bob.send(ada.did, b"y", timeout=2, retry_count=0, on_failure="raise")


async def test_after_a_failed_commit_every_send_that_is_tried_again_comes_to_its_end() -> None:
    with in_memory("ada") as opened, open_node(Config(name="bob", lan=False)) as bob:
        store = Refusing(fresh())
        ada = Node(Config(name="ada", lan=False), enrolled_on(replace(opened.host, store=store), "ada", entropy))
        with trio.fail_after(PATIENCE_S):
            async with running(ada), running(bob):
                await ada.add_peer(address(bob))
                for _ in range(4):
                    store.refuses = 1
                    async with trio.open_nursery() as nursery:
                        for _ in range(4):
                            nursery.start_soon(send_stubbornly, ada, bob.did)
                assert ada.status().undelivered == 0


async def send_stubbornly(node: Node, to: str) -> None:
    while True:
        try:
            await node.send(to, b"m")
        except StoreFull:
            continue
        return


async def test_what_cannot_be_given_up_says_that_it_may_arrive_yet() -> None:
    with in_memory("ada") as opened, open_node(Config(name="bob", lan=False)) as bob:
        store = Refusing(fresh())
        ada = Node(Config(name="ada", lan=False), enrolled_on(replace(opened.host, store=store), "ada", entropy))
        with trio.fail_after(PATIENCE_S):
            async with running(ada):
                store.passes, store.refuses = 1, 1  # It is accepted, and cannot be given up.
                with pytest.raises(DeliveryFailed) as caught:
                    await ada.send(bob.did, b"x", on_failure="raise")
                assert caught.value.may_have_arrived
                assert ada.status().undelivered == 1


async def test_a_backlog_of_large_messages_fits_the_link_it_waits_for() -> None:
    with open_node(Config(name="ada", lan=False)) as ada, open_node(Config(name="bob", lan=False)) as bob:
        with trio.fail_after(PATIENCE_S):
            async with running(ada), running(bob):
                size = 262_100  # Sixteen and a bit fill the window; what their frames take more must fit too.
                for _ in range(17):
                    await ada.send(bob.did, bytes(size))
                await ada.add_peer(address(bob))
                for _ in range(17):
                    await (await bob.receive()).ack()
