"""Opening any frame but the next in order: late, ahead, of the peer's next chain, or of an old one.

Each returns what taking the frame will change, and changes nothing. All limits come before any derivation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talos_ratchet.chain import Chain
from talos_ratchet.errors import Duplicate, Exhausted, Expired, Forged, Malformed
from talos_ratchet.frame import BODY_AT, COUNTER_END, HEADER
from talos_ratchet.keys import check_point
from talos_ratchet.late import Place, is_past
from talos_ratchet.opened import Leap, Opened, Turn

if TYPE_CHECKING:
    from talos_ratchet.ratchet import Ratchet

LIVE_CHAINS_MAX: Final = 2  # The current chain, and the next once it may have begun.
OLD_CHAINS_MAX: Final = 5  # Earlier chains whose frames are still recognised; each costs a forgery one more trial.

NOT_IN_SUITE_1: Final = "a header names what suite 1 does not have"
FORGED_BODY: Final = "the header is authentic, the body is not"


def _open_body(ratchet: Ratchet, frame: bytes, message_key: bytes) -> bytes:
    head = frame[:BODY_AT]
    body = ratchet.suite.open_aead(message_key).decrypt(head[1:13], frame[BODY_AT:], ratchet.ad + head)
    if body is None:
        raise Forged(FORGED_BODY)
    return body


def open_in_chain(ratchet: Ratchet, chain: Chain, frame: bytes, number: int, lease_epoch: int, now_ms: int) -> Opened:
    """Open message `number` of the current chain: late, next or ahead."""
    if number < chain.number:
        return _open_late(ratchet, frame, (ratchet.chain, number), lease_epoch, now_ms)
    _check_counter(number)
    leap = Leap(now_ms, ratchet.late.expired(now_ms))
    ratchet.late.check_room(number - chain.number, 0, leaving=len(leap.gone))
    key = _pass_over(ratchet, leap, ratchet.chain, chain.key, chain.number, number)
    return _open_ahead(ratchet, frame, key, number, lease_epoch, leap)


def _open_ahead(ratchet: Ratchet, frame: bytes, key: bytes, number: int, lease_epoch: int, leap: Leap) -> Opened:
    """Open message `number` of the chain whose key is `key` there, and make `leap` go past it."""
    message_key, next_key = ratchet.suite.step(key)
    leap.chain = Chain(ratchet.suite, next_key, number + 1)
    return Opened(_open_body(ratchet, frame, message_key), lease_epoch, ratchet, leap)


def _open_late(ratchet: Ratchet, frame: bytes, place: Place, lease_epoch: int, now_ms: int) -> Opened:
    """Open a message that was passed over, with the key kept for it."""
    kept = ratchet.late.kept.get(place)
    if kept is None:
        raise Duplicate(f"message {place[1]} of chain {place[0]} has no key (any more)")
    key, kept_ms = kept
    if is_past(kept_ms, now_ms):
        raise Expired(f"message {place[1]} of chain {place[0]} comes {now_ms - kept_ms} ms late")
    leap = Leap(now_ms, [*ratchet.late.expired(now_ms), place])
    return Opened(_open_body(ratchet, frame, key), lease_epoch, ratchet, leap)


def open_old(
    ratchet: Ratchet, frame: bytes, nonce: bytes, sealed: bytes, now_ms: int, *, most: int = OLD_CHAINS_MAX
) -> Opened | None:
    """Open a frame of one of the newest `most` old chains; None if its header is of none of them."""
    found = ratchet.suite.open_header([(key, ratchet.ad) for _, key in ratchet.old[:most]], nonce, sealed)
    if found is None:
        return None
    which, header = found
    _, _, number, pq_epoch, flags, lease_epoch = HEADER.unpack(header)
    if pq_epoch or flags:
        raise Malformed(NOT_IN_SUITE_1)
    return _open_late(ratchet, frame, (ratchet.old[which][0], number), lease_epoch, now_ms)


def open_turned(ratchet: Ratchet, frame: bytes, header: bytes, now_ms: int) -> Opened:
    """Open the first frame to arrive of the peer's next chain. All limits come before the DH."""
    public, previous, number, pq_epoch, flags, lease_epoch = HEADER.unpack(header)
    if pq_epoch or flags:
        raise Malformed(NOT_IN_SUITE_1)
    chain, ours = ratchet.receiving, ratchet.ours
    received = 0 if chain is None else chain.number
    if ours is None or previous < received:
        raise Malformed(f"a header says that its last chain had {previous} messages; we took {received}")
    _check_counter(number)
    leap = _plan_turn(ratchet, now_ms)
    ratchet.late.check_room(0 if chain is None else previous - received, number, leaving=len(leap.gone))
    shared = ratchet.suite.agree(ours.secret, check_point(public, "ratchet key"))
    root, first_key, next_header = ratchet.suite.turn(ratchet.root, shared)
    leap.turn = Turn(public, root, next_header, 0 if chain is None else previous)  # Else nothing has bounded it.
    if chain is not None and previous > received:
        _pass_over(ratchet, leap, ratchet.chain, chain.key, received, previous)
    key = _pass_over(ratchet, leap, ratchet.chain + 1, first_key, 0, number) if number else first_key
    return _open_ahead(ratchet, frame, key, number, lease_epoch, leap)


def _plan_turn(ratchet: Ratchet, now_ms: int) -> Leap:
    """Return a leap that drops what has expired, and the keys of the chain that a turn pushes out."""
    leap = Leap(now_ms, ratchet.late.expired(now_ms))
    if len(ratchet.old) == OLD_CHAINS_MAX and ratchet.late.kept:
        expired = set(leap.gone)
        unread = [place for place in ratchet.late.of_chain(ratchet.old[-1][0]) if place not in expired]
        leap.gone += unread
        leap.unread = len(unread)
    return leap


def _pass_over(ratchet: Ratchet, leap: Leap, chain: int, key: bytes, number: int, until: int) -> bytes:
    """Put the keys of messages [number, until) of `chain` into `leap`; return the chain key at `until`."""
    for at in range(number, until):
        leap.passed[chain, at], key = ratchet.suite.step(key)
    return key


def _check_counter(number: int) -> None:
    if number >= COUNTER_END:
        raise Exhausted(f"message {number} is past the end of its chain")
