"""Which frames of the message lane are counted as refused, as what, and with which frame for a sample."""

from __future__ import annotations

import pytest

from talos.core.content import Ack, MessageContent, OpenContent, VoidContent
from talos.core.effects import Broken, TurnedDown
from talos.core.entry_types import Refusal
from talos_ratchet import Lane
from tests.node.core.end import End
from tests.node.core.pair import linked, settle, tell, voiced


def turned_down(end: End, *frames: bytes) -> list[tuple[Refusal, bytes]]:
    """Let `end` read frames, and return what it refused of them. None of it may break the link."""
    step = end.conversation.receive(frames, end.now_ms, end.now_ms)
    end.submit(step, end.wire)
    end.flush()
    assert not [effect for effect in step.effects if isinstance(effect, Broken)]
    return [(effect.kind, effect.frame) for effect in step.effects if isinstance(effect, TurnedDown)]


def take(end: End) -> bytes:
    """Return the one frame of the message lane that is under way to `end`."""
    assert end.wire is not None
    frames = [frame for frame in end.wire.to(end.name) if frame[0] & 0x0F == Lane.MESSAGE]
    end.wire.to(end.name).clear()
    (frame,) = frames
    return frame


def sealed(sender: End, content: MessageContent | VoidContent | OpenContent) -> bytes:
    tell(sender, Lane.MESSAGE, content.encode())
    return take(sender.peer)


def sent(sender: End, body: bytes) -> bytes:
    sender.send(body)
    sender.flush()
    return take(sender.peer)


def test_what_is_taken_for_the_first_time_is_not_refused() -> None:
    a, b = linked()
    for body in (b"one", b"two"):
        assert turned_down(b, sent(a, body)) == []
    assert turned_down(b, sealed(a, OpenContent())) == []


@pytest.mark.parametrize("raw", [b"\x12", b"\x12" + bytes(100), b"\x12" + bytes(2_000)], ids=["empty", "short", "long"])
def test_a_frame_that_nothing_opens_has_no_good_signature(raw: bytes) -> None:
    _, b = linked()
    assert turned_down(b, raw) == [(Refusal.SIGNATURE, raw)]


def test_a_frame_changed_on_its_way_has_no_good_signature_and_the_true_one_is_taken() -> None:
    a, b = linked()
    frame = sent(a, b"message")
    forged = frame[:-1] + bytes((frame[-1] ^ 1,))
    assert turned_down(b, forged) == [(Refusal.SIGNATURE, forged)]
    assert turned_down(b, frame) == []
    assert b.read() == b"message"


def test_each_frame_that_nothing_opens_counts() -> None:
    _, b = linked()
    frames = [b"\x12" + bytes((number,)) * 100 for number in range(5)]
    assert turned_down(b, *frames) == [(Refusal.SIGNATURE, frame) for frame in frames]


@pytest.mark.parametrize("is_in_one_batch", [True, False])
def test_a_frame_that_comes_twice_is_a_replay_the_second_time(is_in_one_batch: bool) -> None:
    a, b = linked()
    frame = sent(a, b"message")
    if is_in_one_batch:
        assert turned_down(b, frame, frame) == [(Refusal.REPLAY, frame)]
    else:
        assert turned_down(b, frame) == []
        assert turned_down(b, frame) == [(Refusal.REPLAY, frame)]
    assert turned_down(b, frame) == [(Refusal.REPLAY, frame)]
    assert (b.read(), b.read()) == (b"message", None)


def test_a_number_that_was_taken_is_a_replay_though_the_frame_is_new() -> None:
    a, b = linked()
    origin = a.ours.origin
    for seq in (1, 2):
        assert turned_down(b, sealed(a, MessageContent(origin, seq, b"%d" % seq))) == []
    for seq in (1, 2):
        frame = sealed(a, MessageContent(origin, seq, b"again"))
        assert turned_down(b, frame) == [(Refusal.REPLAY, frame)]
    assert [b.read(), b.read(), b.read()] == [b"1", b"2", None]


@pytest.mark.parametrize("is_sealed_anew", [False, True])
def test_a_replay_is_acknowledged_once_more_for_its_sender_may_not_have_heard(is_sealed_anew: bool) -> None:
    a, b = linked()
    frame = sent(a, b"message")
    turned_down(b, frame)
    assert voiced(a) == [Ack(a.ours.origin, 1)]
    assert a.wire is not None
    a.wire.to("a").clear()
    if is_sealed_anew:
        frame = sealed(a, MessageContent(a.ours.origin, 1, b"message"))
    turned_down(b, frame)
    assert voiced(a) == [Ack(a.ours.origin, 1)]


def test_voids_of_numbers_that_were_all_taken_are_a_replay_and_of_one_more_are_not() -> None:
    a, b = linked()
    origin = a.ours.origin
    for seq in (1, 2, 3):
        turned_down(b, sealed(a, MessageContent(origin, seq, b"x")))
    for seq, count in ((1, 1), (1, 3), (2, 2), (3, 1)):
        frame = sealed(a, VoidContent(origin, seq, count))
        assert turned_down(b, frame) == [(Refusal.REPLAY, frame)]
    assert turned_down(b, sealed(a, VoidContent(origin, 3, 2))) == []
    frame = sealed(a, MessageContent(origin, 4, b"void by now"))
    assert turned_down(b, frame) == [(Refusal.REPLAY, frame)]


def test_a_message_too_early_is_wanted_and_not_refused() -> None:
    a, b = linked()
    origin = a.ours.origin
    turned_down(b, sealed(a, MessageContent(origin, 1, b"x")))
    early = sealed(a, MessageContent(origin, 3, b"x"))
    assert turned_down(b, early) == []


def test_another_origin_counts_its_own_numbers() -> None:
    a, b = linked()
    turned_down(b, sealed(a, MessageContent(a.ours.origin, 1, b"x")))
    assert turned_down(b, sealed(a, MessageContent(bytes(16), 1, b"x"))) == []


@pytest.mark.parametrize("lane", [Lane.CONTROL, Lane.BULK])
def test_a_frame_of_another_lane_that_comes_twice_is_not_counted(lane: Lane) -> None:
    a, b = linked()
    settle(a, b)
    tell(a, lane, {Lane.CONTROL: b"\x16", Lane.BULK: b"\x03"}[lane])
    assert b.wire is not None
    frame = b.wire.to("b").pop()
    assert turned_down(b, frame, frame) == []
