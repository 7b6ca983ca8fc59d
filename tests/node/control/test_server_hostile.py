"""The control socket of a real node against clients that break the rules: each harms itself alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, cast

import pytest
import trio

from talos.control.client import ControlClient
from talos.control.fields import Fields
from talos.control.protocol import LINE_SIZE_MAX
from talos.control.server import CONNECTIONS_MAX
from talos.control.verbs import VERBS
from talos.control.visit import Verb, Visit
from talos.drivers.control_socket import dial_control
from talos.errors import TalosError
from tests.node.control.serving import ask, next_answer, serving
from tests.node.control.test_protocol import HOSTILE_LINES

SOON_S: Final = 0.05  # Long enough for a node to answer, if it would; a slow machine only makes the test laxer.

# A verb, bad arguments, and what the error must name.
BAD_ARGUMENTS: Final[list[tuple[str, dict[str, Any], str]]] = [
    ("status", {"all": True}, "all"),
    ("whoami", {"x": 1}, "x"),
    ("peers", {"x": 1}, "x"),
    ("peers_add", {}, "address"),
    ("peers_add", {"address": "peer.example:7000"}, "is no peer address"),
    ("peers_add", {"address": 7000}, "address"),
    ("establish_session", {}, "peer"),
    ("establish_session", {"peer": "nobody"}, "names no peer"),
    ("reset_session", {"peer": ["p"]}, "peer"),
    ("reset_session", {"peer": "nobody"}, "names no peer"),
    ("reset_session", {"peer": "p", "peer_bundle": ""}, "peer_bundle"),
    ("resolve", {}, "did"),
    ("resolve", {"did": 7}, "did"),
    ("resolve", {"did": "nobody"}, "names no peer"),
    ("resolve", {"did": "did:key:z6Mk"}, "is no key"),
    ("resolve", {"did": "did:key:z6Mk", "accept": "json"}, "accept"),
    ("find", {}, "topic"),
    ("find", {"topic": ""}, "topic"),
    ("find", {"topic": "a,b"}, "topic"),
    ("find", {"topic": "t", "most": 3}, "most"),
    ("diagnose", {"duplicates": 1}, "duplicates"),
    ("diagnose", {"all": True}, "all"),
    ("ping", {}, "peer"),
    ("ping", {"peer": "nobody"}, "names no peer"),
    ("ping", {"peer": "p", "count": 3}, "count"),
    ("look", {}, "address"),
    ("look", {"address": "here"}, "is no address"),
    ("look", {"address": "127.0.0.1:1", "did": "nobody"}, "names no peer"),
    ("send", {"message": "aGk="}, "peer"),
    ("send", {"peer": "nobody", "message": "aGk="}, "names no peer"),
    ("send", {"peer": "p"}, "message"),
    ("send", {"peer": "p", "message": "!"}, "message"),
    ("send", {"peer": "p", "message": "aGk=", "timeout_s": -1}, "timeout_s"),
    ("send", {"peer": "p", "message": "aGk=", "timeout_s": 86_401}, "timeout_s"),
    ("send", {"peer": "p", "message": "aGk=", "retry_count": 1_001}, "retry_count"),
    ("send", {"peer": "p", "message": "aGk=", "on_failure": "shout"}, "on_failure"),
    ("receive", {"wait_s": 3_601}, "wait_s"),
    ("receive", {"wait": 1}, "wait"),
    ("ack", {}, "ticket"),
    ("ack", {"ticket": 0}, "ticket"),
    ("ack", {"ticket": 1}, "holds no ticket 1"),
    ("stop", {"now": True}, "now"),
    ("audit_query", {"kind": "MESSAGE"}, "kind"),
    ("audit_query", {"type": "GOSSIP"}, "there is no entry type 'GOSSIP'"),
    ("audit_query", {"type": 32}, "type"),
    ("audit_query", {"peer": "nobody"}, "names no peer"),
    ("audit_query", {"from_ms": -1}, "from_ms"),
    ("audit_query", {"to_ms": 2**63}, "to_ms"),
    ("audit_query", {"last": 1.5}, "last"),
    ("audit_query", {"last": -1}, "last"),
    ("audit_query", {"before": True}, "before"),
    ("audit_show", {}, "index"),
    ("audit_show", {"index": -1}, "index"),
    ("audit_show", {"index": 2**63}, "index"),
    ("audit_show", {"index": 1_000_000}, "there is no audit entry 1000000"),
    ("audit_show", {"index": 0, "sealed": True}, "sealed"),
    ("audit_proof", {"since": 1}, "index"),
    ("audit_proof", {"index": 1_000_000}, "entry 1000000"),
    ("audit_proof", {"index": 0, "since": 0}, "0 entries"),
    ("audit_proof", {"index": 0, "since": -1}, "since"),
    ("audit_proof", {"index": 0, "since": 1_000_000}, "1000000 entries"),
    ("audit_proof", {"index": 0, "reveal": "no"}, "reveal"),
    ("audit_proof", {"index": 0, "out": "proof.json"}, "out"),
    ("audit_root", {"peer": "nobody"}, "names no peer"),
    ("audit_root", {"of": "nobody"}, "of"),
    ("audit_verify_proof", {"proof": "{}"}, "root"),
    ("audit_verify_proof", {"root": "00" * 32}, "proof"),
    ("audit_verify_proof", {"proof": "{}", "root": "00" * 31}, "is no root"),
    ("audit_verify_proof", {"proof": "{}", "root": "00" * 32}, "format"),
    ("audit_verify_proof", {"proof": "[" * 100_000, "root": "00" * 32}, "JSON"),
    ("audit_verify_proof", {"proof": "x" * (256 * 1024 + 1), "root": "00" * 32}, "proof"),
    ("audit_verify_proof", {"proof": "{}", "root": "00" * 32, "peer": "p"}, "peer"),
    ("fly", {}, "there is no verb 'fly'"),
]


@pytest.mark.parametrize("line", HOSTILE_LINES, ids=lambda line: repr(line[:40]))
async def test_a_line_that_is_no_request_ends_that_connection_only(tmp_path: Path, line: bytes) -> None:
    async with serving(tmp_path), ControlClient(tmp_path) as bystander:
        async with aclosing(await dial_control(tmp_path)) as stream:
            answer = await ask(stream, line)
            assert answer["id"] is None
            assert (answer["error"]["type"], answer["error"]["exit_code"]) == ("MalformedMessage", 7)
            assert await stream.receive_some(100) == b""
        assert (await bystander.status()).store_ok


async def test_an_endless_line_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    async with serving(tmp_path), ControlClient(tmp_path) as bystander:
        async with aclosing(await dial_control(tmp_path)) as stream:
            await stream.send_all(b"x" * (LINE_SIZE_MAX + 1))
            answer = await next_answer(stream)
            assert "longer than" in answer["error"]["what"]
        assert (await bystander.status()).store_ok


async def test_half_a_line_and_no_goodbye_harm_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path), ControlClient(tmp_path) as bystander:
        for beginning in (b"", b'{"id": 1, "verb"', b'{"id": 1, "verb": "status"}\n'):
            stream = await dial_control(tmp_path)
            await stream.send_all(beginning)
            await stream.aclose()
        assert (await bystander.status()).store_ok


def test_bad_arguments_are_tried_for_every_verb() -> None:
    assert set(VERBS) | {"fly"} == {verb for verb, _, _ in BAD_ARGUMENTS}


async def test_bad_arguments_are_answered_by_name_and_the_connection_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path), aclosing(await dial_control(tmp_path)) as stream:
        for at, (verb, arguments, named) in enumerate(BAD_ARGUMENTS):
            answer = await ask(stream, json.dumps({"id": at, "verb": verb, **arguments}).encode())
            assert answer["id"] == at
            assert named in answer["error"]["what"], verb
            # Bytes of somebody else's are damaged or forged; all else is what the asker wrote.
            assert answer["error"]["exit_code"] == (7 if named in ("format", "JSON") else 2), (verb, named)


async def test_a_connection_too_many_waits_for_one_to_close(tmp_path: Path) -> None:
    async with serving(tmp_path):
        streams = [await dial_control(tmp_path) for _ in range(CONNECTIONS_MAX)]
        for stream in streams:
            assert "ok" in await ask(stream, b'{"id": 1, "verb": "peers"}')
        async with aclosing(await dial_control(tmp_path)) as late:
            await late.send_all(b'{"id": 1, "verb": "peers"}\n')
            with trio.move_on_after(SOON_S):
                pytest.fail(f"answered beyond the limit: {await late.receive_some(100)!r}")
            await streams.pop().aclose()
            assert "ok" in await next_answer(late)
        for stream in streams:
            await stream.aclose()


async def test_a_crash_in_one_request_is_reported_and_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(visit: Visit, arguments: Fields) -> Mapping[str, object]:
        return {"division": 1 / 0}

    monkeypatch.setitem(cast(dict[str, Verb], VERBS), "peers", crash)
    crashes: list[tuple[str, Exception]] = []
    async with serving(tmp_path, crashes=crashes), ControlClient(tmp_path) as client:
        with pytest.raises(TalosError, match="the node failed at 'peers'") as caught:
            await client.peers()
        assert caught.value.exit_code == 70
        assert (await client.status()).store_ok
    assert [(name, type(crash)) for name, crash in crashes] == [("control verb peers", ZeroDivisionError)]
