from __future__ import annotations

import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.control.fields import TEXT_LENGTH_MAX, Fields, pack_octets
from talos.control.protocol import (
    LINE_SIZE_MAX,
    LineSplitter,
    Request,
    decode_line,
    encode_line,
    failure,
    success,
)
from talos.errors import DeliveryFailed, MalformedMessage, Refused

# Lines that are no requests.
HOSTILE_LINES: Final[list[bytes]] = [
    b"",
    b"hello",
    b"[]",
    b"7",
    b"null",
    b'"status"',
    b"{",
    b'{"id": 1}',
    b'{"verb": "status"}',
    b'{"id": -1, "verb": "status"}',
    b'{"id": 1.0, "verb": "status"}',
    b'{"id": true, "verb": "status"}',
    b'{"id": "1", "verb": "status"}',
    b'{"id": 9007199254740992, "verb": "status"}',
    b'{"id": 1, "verb": 5}',
    b'{"id": 1, "verb": null}',
    b'{"id": ' + b"9" * 5_000 + b', "verb": "status"}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"\xff\xfe\x00",
    b"\x00" * 100,
    '{"id": 1, "verb": "status"}'.encode("utf-16"),
    '{"id": 1, "verb": "status"}'.encode("utf-16-le"),
    '{"id": 1, "verb": "status"}'.encode("utf-32"),
    '{"id": 1, "verb": "status"}'.encode("utf-8-sig"),
    b'{"id": 1, "verb": "status", "id": 2}',
    b'{"id": 1, "verb": "status", "a": {"b": 1, "b": 1}}',
    b'{"id": 1, "verb": "' + b"v" * (TEXT_LENGTH_MAX + 1) + b'"}',
]


@pytest.mark.parametrize("line", HOSTILE_LINES, ids=lambda line: repr(line[:40]))
def test_a_line_that_is_no_request_is_malformed_and_nothing_else(line: bytes) -> None:
    with pytest.raises(MalformedMessage):
        Request.decode(line)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_do_more_than_be_malformed(line: bytes) -> None:
    try:
        request = Request.decode(line)
    except MalformedMessage:
        return
    assert request.id >= 0


def test_a_request_is_read_as_it_was_written() -> None:
    request = Request(7, "send", Fields("send", {"peer": "p", "message": "aGk="}))
    assert Request.decode(request.encode().rstrip(b"\n")) == request


@given(st.lists(st.binary(max_size=50).filter(lambda line: b"\n" not in line), max_size=10), st.data())
def test_lines_are_the_same_however_the_stream_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    splitter, got = LineSplitter(), list[bytes]()
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += splitter.feed(stream[:size])
        stream = stream[size:]
    assert got == lines


def test_the_longest_line_is_read_and_one_byte_more_is_refused_without_its_end() -> None:
    longest = b"x" * LINE_SIZE_MAX
    assert list(LineSplitter().feed(longest + b"\n")) == [longest]
    with pytest.raises(MalformedMessage, match="longer than"):
        list(LineSplitter().feed(longest + b"x"))
    splitter = LineSplitter()
    assert list(splitter.feed(longest)) == []
    with pytest.raises(MalformedMessage, match="longer than"):
        list(splitter.feed(b"x"))


def test_a_line_never_holds_a_line_end_whatever_is_in_it() -> None:
    line = encode_line({"what": "a\nb\u2028c\ud800"})
    assert line.count(b"\n") == 1
    assert decode_line(line)["what"] == "a\nb\u2028c\ud800"


def test_answers_say_what_the_error_says() -> None:
    assert json.loads(success(3, {"a": 1})) == {"id": 3, "ok": {"a": 1}}
    described = {"type": "Refused", "what": "no", "fix": "ask", "exit_code": 5}
    assert json.loads(failure(None, Refused("no", fix="ask"))) == {"id": None, "error": described}
    assert json.loads(failure(1, DeliveryFailed("no", may_have_arrived=True)))["error"]["may_have_arrived"] is True


def test_an_answer_too_long_for_a_line_is_an_error_that_says_so() -> None:
    around = len(success(1, {"a": ""})) - len(b"\n")
    longest = success(1, {"a": "x" * (LINE_SIZE_MAX - around)})
    assert [len(line) for line in LineSplitter().feed(longest)] == [LINE_SIZE_MAX]
    refused = json.loads(success(1, {"a": "x" * (LINE_SIZE_MAX - around + 1)}))
    assert (refused["id"], refused["error"]["type"]) == (1, "Refused")
    assert f"{LINE_SIZE_MAX} are the most" in refused["error"]["what"]


def test_an_error_is_cut_to_what_a_client_reads() -> None:
    described = json.loads(failure(1, Refused("n" * 9_999, fix="f" * 9_999)))["error"]
    assert (len(described["what"]), len(described["fix"])) == (TEXT_LENGTH_MAX, TEXT_LENGTH_MAX)


def test_an_argument_that_nobody_knows_is_refused_not_ignored() -> None:
    with pytest.raises(MalformedMessage, match="send: there is no 'tiemout_s'"):
        Fields("send", {"peer": "p", "tiemout_s": 1}).only("peer", "timeout_s")


def test_bytes_are_read_back_and_what_is_not_base64_is_refused() -> None:
    assert Fields("send", {"message": pack_octets(b"\x00\xff")}).octets("message") == b"\x00\xff"
    for value in ("a", "a===", "%%%%", "é", 5, None, ["aGk="], "aGk=\n"):
        with pytest.raises(MalformedMessage, match="send: message is not base64"):
            Fields("send", {"message": value}).octets("message")


@pytest.mark.parametrize("value", [-0.1, 10.1, float("nan"), float("inf"), True, "1", None, [1]])
def test_a_number_out_of_range_is_refused(value: object) -> None:
    with pytest.raises(MalformedMessage, match="wait_s is not a number"):
        Fields("receive", {"wait_s": value}).number("wait_s", most=10)


@pytest.mark.parametrize("value", [0, 11, 5.0, True, "5", None])
def test_an_integer_out_of_range_is_refused(value: object) -> None:
    with pytest.raises(MalformedMessage, match="ticket is not an integer"):
        Fields("ack", {"ticket": value}).integer("ticket", least=1, most=10)
