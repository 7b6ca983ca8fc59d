"""A node inside a program without a loop, over real sockets: `BlockingClient`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import assert_type

import pytest
import trio

from talos import BlockingClient, BlockingMessage, NodeStopped, Receipt, TalosClient
from talos.client.blocking_client import _wait
from talos.client.thread import NodeThread
from talos.core.report import NodeStatus
from talos.errors import Locked, Refused, UsageError
from talos.runtime import Node
from tests.node.far import PATIENCE_S, passed_through


@contextmanager
def pair() -> Iterator[tuple[BlockingClient, BlockingClient]]:
    """Ada, who knows bob's address, and bob."""
    with BlockingClient.create("ada", lan=False) as ada, BlockingClient.create("bob", lan=False) as bob:
        ada.add_peer(bob.addresses[0])
        yield ada, bob


@contextmanager
def interrupted(times: int = 1, *, first: Callable[[], object] = lambda: None) -> Iterator[None]:
    """The body gets a KeyboardInterrupt after a while, as from Ctrl-C, and another each such while; after `first`."""

    def interrupt(number: int, frame: object) -> None:
        nonlocal times
        first()
        times -= 1
        if times <= 0:
            signal.setitimer(signal.ITIMER_REAL, 0)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def node_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "talos node"]


def test_two_clients_talk_and_an_acknowledged_message_is_gone() -> None:
    with pair() as (ada, bob):
        receipt = assert_type(ada.send(bob.peer_id, b"good morning"), Receipt)
        for message in bob.messages():
            assert_type(message, BlockingMessage)
            assert (message.sender, message.body, message.redelivered) == (ada.peer_id, b"good morning", False)
            assert message.id == receipt.id
            message.ack()
            message.ack()
            break
        assert receipt.state.value == "delivered"
        assert assert_type(bob.status(), NodeStatus).inbox == 0


def test_a_folder_keeps_the_identity_and_shows_its_seed_once(tmp_path: Path) -> None:
    client = BlockingClient.create("ada", lan=False, data_dir=tmp_path / "a", password="correct horse")
    assert client.recovery_seed is not None
    with pytest.raises(Locked):
        BlockingClient.create("ada", lan=False, data_dir=tmp_path / "a", password="correct horse")
    client.close()
    with BlockingClient.create("ada", lan=False, data_dir=tmp_path / "a", password="correct horse") as again:
        assert (again.did, again.recovery_seed) == (client.did, None)


def test_after_the_end_every_call_says_so_and_closing_again_is_no_error() -> None:
    with pair() as (ada, bob):
        ada.send(bob.peer_id, b"x")
        message = bob.receive(PATIENCE_S)
        stream = bob.audit.stream()
    bob.close()
    calls: list[Callable[[], object]] = [
        bob.receive, lambda: bob.receive(0), bob.status, bob.audit.head, message.ack, lambda: next(stream)
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(NodeStopped, match="is closed"):
            call()


def test_a_client_that_is_closed_ends_the_calls_of_other_threads() -> None:
    with ThreadPoolExecutor(3) as threads:
        client = BlockingClient.create("ada", lan=False)
        waiting = [threads.submit(client.receive) for _ in range(2)]
        closing = threads.submit(client.close)
        client.close()
        assert [type(one.exception(PATIENCE_S)) for one in waiting] == [NodeStopped] * 2
        closing.result(PATIENCE_S)


def test_an_error_comes_over_with_its_type_and_its_words() -> None:
    with BlockingClient.create("ada", lan=False) as ada:
        with pytest.raises(Refused, match="itself"):
            ada.send(ada.peer_id, b"x")
        with pytest.raises(UsageError) as caught:
            ada.send("nobody", b"x")
        assert caught.value.fix is not None
    with pytest.raises(UsageError):
        BlockingClient.create("ada", lan=False, listen=["here"])


def test_a_crash_of_the_node_is_the_cause_in_every_call_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = trio.Event()

    async def crashing(self: Node) -> None:
        await crash.wait()
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(Node, "_until_stopped", crashing)
    client = BlockingClient.create("ada", lan=False)
    with ThreadPoolExecutor(3) as threads:
        calls: list[Callable[[], object]] = [client.receive, client.receive, client.audit.stream().__next__]
        waiting = [threads.submit(call) for call in calls]
        passed_through(client._thread)
        client._thread.soon(crash.set)
        for one in waiting:
            error = one.exception(PATIENCE_S)
            assert isinstance(error, NodeStopped)
            assert isinstance(error.__cause__, ZeroDivisionError)
    client.close()


def test_a_receive_that_ran_out_of_time_takes_nothing_with_it() -> None:
    with pair() as (ada, bob):
        with pytest.raises(TimeoutError, match=r"0\.01 s"):
            bob.receive(0.01)
        with pytest.raises(TimeoutError):
            bob.receive(timeout=0)
        ada.send(bob.peer_id, b"x")
        assert bob.receive(timeout=0).body == b"x"


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), 1e300])
def test_a_time_that_makes_no_sense_is_refused_and_takes_no_message(timeout: float) -> None:
    with pair() as (ada, bob):
        ada.send(bob.peer_id, b"x")
        with pytest.raises(UsageError, match="timeout"):
            bob.receive(timeout)
        assert bob.receive(PATIENCE_S).body == b"x"


def test_of_many_messages_amid_many_timeouts_none_is_lost_and_none_is_doubled() -> None:
    count = 100
    with pair() as (ada, bob), ThreadPoolExecutor(1) as threads:
        sending = threads.submit(lambda: [ada.send(bob.peer_id, b"%d" % number) for number in range(count)])
        taken: list[int] = []
        late = 0
        while len(taken) < count:
            try:
                message = bob.receive((len(taken) + late) % 3 * 0.0005)
            except TimeoutError:
                late += 1
            else:
                taken.append(int(message.body))
                message.ack()
        sending.result(PATIENCE_S)
        assert taken == list(range(count))
        assert late > 0
        assert bob.status().inbox == 0


def test_an_interrupt_ends_a_call_that_waits_and_takes_no_message_with_it() -> None:
    with pair() as (ada, bob):
        with pytest.raises(KeyboardInterrupt), interrupted():
            bob.receive()
        ada.send(bob.peer_id, b"x")
        assert bob.receive(PATIENCE_S).body == b"x"


def test_a_message_that_comes_just_before_an_interrupt_is_there_for_the_next() -> None:
    with pair() as (ada, bob):

        def deliver() -> None:
            ada.send(bob.peer_id, b"x")
            passed_through(bob._thread)

        with pytest.raises(KeyboardInterrupt), interrupted(first=deliver):
            bob.receive()
        assert bob.receive(PATIENCE_S).body == b"x"


def test_a_second_interrupt_does_not_wait_for_the_end_of_a_call_and_what_comes_of_it_is_undone() -> None:
    may_end, undone = trio.Event(), threading.Event()

    async def stubborn() -> str:
        with trio.CancelScope(shield=True):
            await may_end.wait()
        return "late"

    with BlockingClient.create("ada", lan=False) as ada:
        with pytest.raises(KeyboardInterrupt), interrupted(times=2):
            _wait(ada._thread, stubborn, undo=lambda late: undone.set() if late == "late" else None)
        ada._thread.soon(may_end.set)
        assert undone.wait(PATIENCE_S)


def test_an_interrupt_in_close_leaves_the_node_stopping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = trio.Event()

    async def slow(client: TalosClient) -> None:
        await may_end.wait()
        await client._run.stop()

    monkeypatch.setattr(TalosClient, "aclose", slow)
    client = BlockingClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True)
    with pytest.raises(KeyboardInterrupt), interrupted():
        client.close()
    client._thread.soon(may_end.set)
    client.close()
    with BlockingClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True):
        may_end.set()


def test_many_threads_share_a_client() -> None:
    count, threads_count = 10, 4
    taken: list[bytes] = []

    def take(bob: BlockingClient) -> None:
        for _ in range(count):
            message = bob.receive(PATIENCE_S)
            taken.append(message.body)
            message.ack()

    with pair() as (ada, bob), ThreadPoolExecutor(2 * threads_count) as threads:
        bodies = [b"%d" % number for number in range(threads_count * count)]
        taking = [threads.submit(take, bob) for _ in range(threads_count)]
        for receipt in threads.map(lambda body: ada.send(bob.peer_id, body), bodies):
            assert receipt.state.value == "delivered"
        for one in taking:
            one.result(PATIENCE_S)
        assert sorted(taken) == sorted(bodies)
        assert bob.status().inbox == 0


def test_the_audit_log_can_be_asked_and_followed() -> None:
    with pair() as (ada, bob):
        stream = ada.audit.stream()
        receipt = ada.send(bob.peer_id, b"x")
        assert next(stream).type in {"SESSION", "MESSAGE"}
        proof = ada.audit.get_proof(receipt.audit_index)
        head = ada.audit.head()
        assert ada.audit.verify_proof(proof, head.root).index == receipt.audit_index
        assert ada.audit.verify_chain().size == head.size
        assert ada.audit.query("MESSAGE", last=1)[0].type == "MESSAGE"


def test_an_entry_that_comes_just_before_an_interrupt_is_the_next_of_its_stream() -> None:
    with pair() as (ada, bob):
        stream = ada.audit.stream()
        ada.send(bob.peer_id, b"x")
        first = next(stream)
        far = stream._far  # type: ignore[attr-defined]  # What a call that was given up just now does.
        ada._thread.soon(lambda: far.put_back(first))
        assert next(stream) == first


def test_the_nodes_own_thread_is_told_that_it_would_wait_for_itself() -> None:
    told: list[Exception] = []
    with BlockingClient.create("ada", lan=False) as ada:

        def ask() -> None:
            with pytest.raises(UsageError, match="own thread") as caught:
                ada.status()
            told.append(caught.value)
            with pytest.raises(UsageError, match="own thread") as caught:
                ada.close()
            told.append(caught.value)

        ada._thread.soon(ask)
    assert len(told) == 2


def test_a_client_nobody_closed_says_so_and_lets_go_of_its_folder(tmp_path: Path) -> None:
    clients = [BlockingClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True)]
    thread = clients[0]._thread._inside.thread
    with pytest.warns(ResourceWarning, match="never closed"):
        clients.clear()
    thread.join(PATIENCE_S)
    with BlockingClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True):
        pass


def test_a_create_that_fails_leaves_no_thread(tmp_path: Path) -> None:
    with BlockingClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True) as client:
        taken = client.addresses[0].partition("@")[2]
        with pytest.raises(UsageError):
            BlockingClient.create("bob", lan=False, listen=[taken])
        assert node_threads() == [client._thread._inside.thread]
    assert node_threads() == []


def test_where_no_thread_can_be_had_that_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(NodeStopped, match="could not run") as caught:
        BlockingClient.create("ada", lan=False)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_call_to_a_thread_that_was_never_started_says_so() -> None:
    async def nothing() -> None:
        raise AssertionError

    with pytest.raises(NodeStopped):
        _wait(NodeThread(TalosClient.create("ada", lan=False)), nothing)


def test_a_crash_of_the_thread_itself_is_the_cause_in_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    crashes: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", crashes.append)
    client = BlockingClient.create("ada", lan=False)

    def crash() -> None:
        raise ZeroDivisionError("planted")

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.receive)
        passed_through(client._thread)
        client._thread.soon(crash)
        errors = [waiting.exception(PATIENCE_S)]
    with pytest.raises(NodeStopped, match="not go on") as caught:
        client.status()
    errors.append(caught.value)
    for error in errors:
        assert isinstance(error, NodeStopped)
        assert isinstance(error.__cause__, trio.TrioInternalError)
    client.close()
    assert [crash.exc_type for crash in crashes] == [trio.TrioInternalError]


def test_a_thread_that_is_lost_before_it_runs_trio_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = NodeThread(TalosClient.create("ada", lan=False))
    start = threading.Thread.start

    def lose_and_start(starting: threading.Thread) -> None:
        thread.leave()
        start(starting)

    monkeypatch.setattr(threading.Thread, "start", lose_and_start)
    thread.start()
    assert thread._inside.ended.wait(PATIENCE_S)
