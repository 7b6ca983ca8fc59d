"""The embedding API over real sockets and real folders: both forms, their ends, their failures."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from talos import NodeStopped, PassphraseNeeded, TalosClient
from talos.core.inbox import Inbox
from talos.drivers.memory_store import MemoryStore
from talos.errors import Damaged, Locked, Refused, StoreFailed, UsageError
from talos.runtime import Node

PATIENCE_S = 20.0  # Real seconds: a deadline for tests that would otherwise hang, never a wait.


async def test_two_clients_talk_and_an_acknowledged_message_is_gone() -> None:
    with trio.fail_after(PATIENCE_S):
        async with TalosClient.create("ada", lan=False) as ada, TalosClient.create("bob", lan=False) as bob:
            await ada.add_peer(bob.addresses[0])
            receipt = await ada.send(bob.peer_id, b"good morning")
            async for message in bob.messages():
                assert (message.sender, message.body, message.redelivered) == (ada.peer_id, b"good morning", False)
                assert message.id == receipt.id
                await message.ack()
                break
            assert receipt.state.value == "delivered"
            assert bob.status().inbox == 0


async def test_a_session_is_established_and_reset_and_the_log_tells_of_it() -> None:
    with trio.fail_after(PATIENCE_S):
        async with TalosClient.create("ada", lan=False) as ada, TalosClient.create("bob", lan=False) as bob:
            await ada.add_peer(bob.addresses[0])
            assert (await ada.establish_session(bob.peer_id)).session
            assert (await ada.reset_session(bob.did)).session
            await ada.send(bob.peer_id, b"on the new one")
            assert (await bob.receive()).body == b"on the new one"
            (told,) = await ada.audit.query(type="SESSION_RESET")
            assert told.peer == bob.did
            with pytest.raises(Refused):
                await ada.reset_session(bob.did)


async def test_a_peer_and_oneself_are_resolved() -> None:
    with trio.fail_after(PATIENCE_S):
        async with TalosClient.create("ada") as ada, TalosClient.create("bob") as bob:
            await ada.add_peer(bob.addresses[0])
            theirs, ours = await ada.resolve(bob.peer_id), await ada.resolve(ada.did)
            assert [one.methods[0].key for one in (theirs, ours)] == [bob.public_key, ada.public_key]
            with pytest.raises(UsageError):
                await ada.resolve("did:web:example.org")


async def test_awaiting_and_entering_give_the_same_kind_of_client() -> None:
    with trio.fail_after(PATIENCE_S):
        client = await TalosClient.create("ada", lan=False)
        assert client.status().did == client.did == f"did:talos:{client.peer_id}"
        assert len(client.public_key) == 32
        await client.aclose()
        await client.aclose()
        with pytest.raises(NodeStopped):
            client.status()


async def test_a_folder_keeps_the_identity_and_shows_its_seed_once(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        async with TalosClient.create("ada", lan=False, data_dir=tmp_path / "a", password="correct horse") as client:
            did, seed = client.did, client.recovery_seed
        assert seed is not None
        assert len(seed) == 32
        async with TalosClient.create("ada", lan=False, data_dir=tmp_path / "a", password="correct horse") as client:
            assert (client.did, client.recovery_seed) == (did, None)


async def test_a_wrong_password_or_none_opens_nothing(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        async with TalosClient.create("ada", lan=False, data_dir=tmp_path / "a", password="correct horse"):
            pass
        with pytest.raises(PassphraseNeeded):
            await TalosClient.create("ada", lan=False, data_dir=tmp_path / "a", password="wrong")
        with pytest.raises(PassphraseNeeded):
            await TalosClient.create("ada", lan=False, data_dir=tmp_path / "a")
        with pytest.raises(PassphraseNeeded):
            await TalosClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True)


async def test_a_folder_is_open_in_one_client_at_a_time(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        async with TalosClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True):
            with pytest.raises(Locked):
                await TalosClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True)


async def test_a_listener_that_cannot_be_is_one_plain_error_and_closes_the_folder(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        async with TalosClient.create("bob", lan=False) as bob:
            taken = bob.addresses[0].partition("@")[2]
            with pytest.raises(UsageError):
                await TalosClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True, listen=[taken])
        async with TalosClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True) as again:
            assert again.recovery_seed is None  # The identity was made whole, and is used again.


async def test_a_call_that_waits_ends_with_the_node() -> None:
    with trio.fail_after(PATIENCE_S):
        client = await TalosClient.create("ada", lan=False)
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                with pytest.raises(NodeStopped):
                    await client.receive()

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            await client.aclose()


async def test_a_crash_of_the_node_closes_the_client_and_is_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = trio.Event()

    async def crashing(self: Node) -> None:
        await crash.wait()
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(Node, "_until_stopped", crashing)
    with trio.fail_after(PATIENCE_S):
        client = await TalosClient.create("ada", lan=False)
        crash.set()
        with pytest.raises(NodeStopped) as caught:
            await client.receive()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        await client.aclose()


async def test_what_is_acknowledged_after_a_crash_hears_what_crashed_the_node_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crash = trio.Event()

    async def crashing(self: Node) -> None:
        await crash.wait()
        raise Damaged("planted", fix="Dig it up")

    with trio.fail_after(PATIENCE_S):
        async with TalosClient.create("ada") as ada:
            with monkeypatch.context() as patched:
                patched.setattr(Node, "_until_stopped", crashing)
                bob = await TalosClient.create("bob")
            await ada.add_peer(bob.addresses[0])
            await ada.send(bob.peer_id, b"x")
            message = await bob.receive()
            crash.set()
            with pytest.raises(NodeStopped):
                await bob.receive()
            for call in (message.ack, bob.receive):
                with pytest.raises(NodeStopped) as caught:
                    await call()
                assert str(caught.value) == "the node has stopped: planted. Dig it up. Create a new client"
                assert isinstance(caught.value.__cause__, Damaged)
            message.release()
            await bob.aclose()


async def test_a_call_whose_write_fails_with_the_node_hears_why_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(self: Inbox, stored: object, *, restarted: bool = True) -> None:
        raise Damaged("a row is not as it was written")

    with trio.fail_after(PATIENCE_S):
        ada = await TalosClient.create("ada", offline_mode=True)
        store = ada._node._host.store
        assert isinstance(store, MemoryStore)
        monkeypatch.setattr(Inbox, "load", unreadable)
        monkeypatch.setattr(MemoryStore, "commit", broken)
        with pytest.raises(NodeStopped, match="not known whether this was written") as caught:
            await ada.add_peer(f"{ada.did}@127.0.0.1:1")
        assert isinstance(caught.value.__cause__, Damaged)
        await ada.aclose()


def broken(self: MemoryStore, writes: object) -> None:
    raise StoreFailed("planted")


async def test_a_cancelled_create_leaves_nothing_running(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        with trio.CancelScope() as scope:
            scope.cancel()
            await TalosClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True)
        assert scope.cancelled_caught
        async with TalosClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True) as client:
            assert client.status().store_ok


async def test_a_client_nobody_closed_says_so() -> None:
    client = await TalosClient.create("ada", lan=False)
    stop = client._run.stop
    clients = [client]
    del client
    with pytest.warns(ResourceWarning, match="never closed"):
        clients.clear()
    await stop()


def test_under_asyncio_the_error_names_the_way_that_works() -> None:
    async def embed() -> None:
        await TalosClient.create("ada", lan=False)

    with pytest.raises(UsageError, match="AsyncioClient"):
        asyncio.run(embed())


@pytest.mark.parametrize(
    "wrong",
    [{"timeout": 0}, {"timeout": -1}, {"timeout": float("nan")}, {"retry_count": -1}, {"on_failure": "rais"}],
)
async def test_a_send_that_makes_no_sense_is_refused_and_nothing_is_queued(wrong: dict[str, Any]) -> None:
    with trio.fail_after(PATIENCE_S):
        async with TalosClient.create("ada", lan=False) as ada, TalosClient.create("bob", lan=False) as bob:
            with pytest.raises(UsageError):
                await ada.send(bob.peer_id, b"x", **wrong)
            assert ada.status().undelivered == 0


async def test_receiving_a_backlog_can_be_cancelled_and_loses_nothing_by_it() -> None:
    with trio.fail_after(PATIENCE_S):
        async with TalosClient.create("ada", lan=False) as ada, TalosClient.create("bob", lan=False) as bob:
            await ada.add_peer(bob.addresses[0])
            await ada.send(bob.peer_id, b"x")
            with trio.CancelScope() as scope:
                scope.cancel()
                await bob.receive()
            assert scope.cancelled_caught
            assert (await bob.receive()).body == b"x"


async def test_addresses_that_are_added_at_once_are_all_kept() -> None:
    with trio.fail_after(PATIENCE_S):
        async with (
            TalosClient.create("ada", lan=False, offline_mode=True) as ada,
            TalosClient.create("bob", lan=False) as bob,
        ):
            async with trio.open_nursery() as nursery:
                for port in (1, 2, 3, 4):
                    nursery.start_soon(ada.add_peer, f"{bob.did}@127.0.0.1:{port}")
            (peer,) = ada.status().peers
            assert set(peer.addresses) == {f"127.0.0.1:{port}" for port in (1, 2, 3, 4)}
