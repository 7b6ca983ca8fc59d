"""What the control socket of a real node promises, to clients that behave and to those that do not."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Final

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos.control.client import ControlClient
from talos.control.protocol import LINE_SIZE_MAX
from talos.control.values import PEERS_MAX, Peers
from talos.core.names import DID_SIZE
from talos.core.report import ReceiptState
from talos.drivers.control_socket import dial_control
from talos.errors import NodeStopped, Refused, TalosError, UsageError
from talos.host import Address
from tests.node.control.serving import ask, serving, serving_pair

LATE_S: Final = 10.0  # Nothing here takes that long.


async def test_a_running_node_tells_about_itself(tmp_path: Path) -> None:
    async with serving(tmp_path) as node, ControlClient(tmp_path) as client:
        me = await client.whoami()
        assert (me.did, me.peer_id, me.public_key, me.addresses) == (
            node.did,
            node.peer_id,
            node.public_key,
            node.addresses,
        )
        status = await client.status()
        assert (status.did, status.listening, status.undelivered, status.inbox) == (node.did, node.addresses, 0, 0)
        assert await client.peers() == Peers((), 0)


async def test_a_peer_is_looked_at_added_and_listed(tmp_path: Path) -> None:
    folder = tmp_path / "alice"
    async with serving(tmp_path / "bob") as bob, serving(folder), ControlClient(folder) as client:
        address = bob.addresses[0]
        card = await client.look(address)
        assert (card.did, card.address) == (bob.did, address)
        assert (await client.look(address, bob.did)).did == bob.did
        added = await client.peers_add(f"{card.did}@{address}")
        assert (added.did, added.addresses, added.linked) == (bob.did, (address,), True)
        assert [peer.did for peer in (await client.peers()).peers] == [bob.did]


async def test_a_session_is_established_and_reset_through_the_socket(tmp_path: Path) -> None:
    async with serving_pair(tmp_path) as (_, bob), ControlClient(tmp_path / "alice") as client:
        for call in (client.establish_session, client.reset_session):
            status = await call(bob.did)
            assert (status.did, status.linked, status.session) == (bob.did, True, True)
        (told,) = await client.audit_query("SESSION_RESET")
        assert told.peer == bob.did
        assert told.details is not None
        assert told.details["reason"] == "asked for"
        with pytest.raises(Refused, match="was reset"):
            await client.reset_session(bob.did)


async def test_whoever_is_not_who_was_expected_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "alice"
    async with serving(tmp_path / "bob") as bob, serving(folder) as alice, ControlClient(folder) as client:
        with pytest.raises(TalosError) as caught:
            await client.look(bob.addresses[0], alice.did)
        assert caught.value.exit_code in (4, 5, 7)  # Bob may also just hang up on somebody who wants another.


async def test_a_message_goes_from_socket_to_socket_and_is_done_once_acknowledged(tmp_path: Path) -> None:
    async with serving_pair(tmp_path) as (alice, bob), ControlClient(tmp_path / "alice") as sender:
        receipt = await sender.send(bob.did, b"\x00hello\xff")
        assert receipt.state is ReceiptState.DELIVERED
        async with ControlClient(tmp_path / "bob") as receiver:
            message = await receiver.receive(LATE_S)
            assert message is not None
            assert (message.body, message.id, message.redelivered) == (b"\x00hello\xff", receipt.id, False)
            assert message.id.sender == alice.peer_id
            await receiver.ack(message.ticket)
            assert await receiver.receive(0) is None
        async with ControlClient(tmp_path / "bob") as another:
            assert await another.receive(0) is None
            assert (await another.status()).inbox == 0


async def test_the_largest_message_fits_a_line_and_a_larger_one_is_refused_with_the_limit(tmp_path: Path) -> None:
    async with serving_pair(tmp_path) as (_, bob), ControlClient(tmp_path / "alice") as sender:
        largest = bytes(1024 * 1024 - 4096)
        assert (await sender.send(bob.did, largest)).state is ReceiptState.DELIVERED
        with pytest.raises(UsageError, match="limit"):
            await sender.send(bob.did, largest + b"x")
        with pytest.raises(UsageError, match=f"{LINE_SIZE_MAX} are the most"):
            await sender.send(bob.did, bytes(LINE_SIZE_MAX))
        assert (await sender.status()).undelivered == 0


async def test_what_is_not_acknowledged_goes_to_the_next_client_in_order(tmp_path: Path) -> None:
    async with serving_pair(tmp_path) as (alice, bob):
        for body in (b"1", b"2", b"3"):
            await alice.send(bob.did, body)
        async with ControlClient(tmp_path / "bob") as first:
            held = [await first.receive(LATE_S) for _ in range(3)]
            assert [message.body for message in held if message] == [b"1", b"2", b"3"]
            assert held[1] is not None
            await first.ack(held[1].ticket)
        async with ControlClient(tmp_path / "bob") as second:
            again = [await second.receive(LATE_S) for _ in range(2)]
            assert [message.body for message in again if message] == [b"1", b"3"]
            assert await second.receive(0) is None


async def test_a_ticket_is_good_only_where_it_was_handed_out(tmp_path: Path) -> None:
    async with serving_pair(tmp_path) as (alice, bob), ControlClient(tmp_path / "bob") as holder:
        await alice.send(bob.did, b"mine")
        message = await holder.receive(LATE_S)
        assert message is not None
        async with ControlClient(tmp_path / "bob") as thief:
            with pytest.raises(UsageError, match="holds no ticket"):
                await thief.ack(message.ticket)
        await holder.ack(message.ticket)
        with pytest.raises(UsageError, match="holds no ticket"):
            await holder.ack(message.ticket)


async def test_a_client_that_left_gets_no_message_that_comes_later(tmp_path: Path) -> None:
    async with serving_pair(tmp_path) as (alice, bob):
        gone = await dial_control(tmp_path / "bob")
        await gone.send_all(b'{"id": 1, "verb": "receive", "wait_s": 3600}\n')
        await wait_all_tasks_blocked()
        await gone.aclose()
        await wait_all_tasks_blocked()
        await alice.send(bob.did, b"for whoever is there")
        async with ControlClient(tmp_path / "bob") as client:
            message = await client.receive(LATE_S)
            assert message is not None
            assert message.body == b"for whoever is there"


async def test_an_acknowledgement_counts_even_if_the_client_does_not_stay_to_hear_so(tmp_path: Path) -> None:
    async with serving_pair(tmp_path) as (alice, bob):
        await alice.send(bob.did, b"once")
        hasty = await dial_control(tmp_path / "bob")
        handed = await ask(hasty, b'{"id": 1, "verb": "receive", "wait_s": 10}')
        ticket = handed["ok"]["message"]["ticket"]
        await hasty.send_all(b'{"id": 2, "verb": "ack", "ticket": %d}\n' % ticket)
        await hasty.aclose()
        async with ControlClient(tmp_path / "bob") as client:
            with trio.fail_after(LATE_S):
                while (await client.status()).inbox:
                    assert await client.receive(0) is None
            assert await client.receive(0) is None


async def test_a_request_that_waits_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async with serving(tmp_path), aclosing(await dial_control(tmp_path)) as stream:
        await stream.send_all(b'{"id": 1, "verb": "receive", "wait_s": 3600}\n')
        assert (await ask(stream, b'{"id": 2, "verb": "status"}'))["id"] == 2
        assert (await ask(stream, b'{"id": 3, "verb": "receive"}')) == {"id": 3, "ok": {"message": None}}


async def test_a_client_that_only_stops_asking_is_still_answered(tmp_path: Path) -> None:
    async with serving(tmp_path), aclosing(await dial_control(tmp_path)) as stream:
        await stream.send_all(b'{"id": 1, "verb": "receive", "wait_s": 3600}\n{"id": 2, "verb": "status"}\n')
        await stream._stream.send_eof()
        answers = b""
        while data := await stream.receive_some(65_536):
            answers += data
        ids = {json.loads(line)["id"] for line in answers.splitlines()}
        assert ids == {1, 2}


async def test_a_connection_may_not_hoard_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talos.control.verbs.TICKETS_MAX", 2)
    async with serving_pair(tmp_path) as (alice, bob), ControlClient(tmp_path / "bob") as client:
        for body in (b"1", b"2", b"3"):
            await alice.send(bob.did, body)
        first = await client.receive(LATE_S)
        assert first is not None
        await client.receive(LATE_S)
        with pytest.raises(Refused, match="holds 2 messages"):
            await client.receive(LATE_S)
        await client.ack(first.ticket)
        assert await client.receive(LATE_S) is not None


async def test_more_peers_than_an_answer_holds_are_counted(tmp_path: Path) -> None:
    async with serving(tmp_path) as node, ControlClient(tmp_path) as client:
        async with trio.open_nursery() as nursery:
            for number in range(PEERS_MAX + 3):
                did = number.to_bytes(DID_SIZE, "big")
                nursery.start_soon(node._desk.directory.add_address, did, Address("127.0.0.1", 1))
        listed, status = await client.peers(), await client.status()
        assert (len(listed.peers), listed.left_out) == (PEERS_MAX, 3)
        assert (len(status.peers), status.peer_count) == (PEERS_MAX, PEERS_MAX + 3)


async def test_stop_is_answered_and_then_the_node_stops(tmp_path: Path) -> None:
    async with serving(tmp_path), ControlClient(tmp_path) as client:

        async def ask_until_stopped() -> None:
            while True:
                await client.status()

        await client.stop()
        with trio.fail_after(LATE_S), pytest.raises(NodeStopped):
            await ask_until_stopped()


async def test_the_error_of_the_node_reaches_the_client_as_itself(tmp_path: Path) -> None:
    async with serving(tmp_path) as node, ControlClient(tmp_path) as client:
        with pytest.raises(Refused) as caught:
            await client.send(node.did, b"to myself")
        assert type(caught.value) is Refused
        with pytest.raises(UsageError, match="on_failure"):
            await client.send(node.did, b"", on_failure="shout")
