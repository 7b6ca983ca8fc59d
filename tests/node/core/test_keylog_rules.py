"""What a verifier refuses: places, keys, signatures, moves, limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from talos.core import codec, names
from talos.core.keylog import KEY_LOG_SIZE_MAX, KeyLog, incept, verify, write, write_as_controllers
from talos.core.keylog_event import Content, Event, body_of, read_body
from talos.core.keylog_keys import commitment_of
from talos.core.keylog_kinds import (
    MEMBERS_MAX,
    REASON_SIZE_MAX,
    BrokenKeyLog,
    ControllerUnknown,
    Quorum,
    Reveal,
    Signature,
)
from talos.core.keylog_rank1 import Controllers, Governor, Inception, Revocation, Rotation, Thaw, Voters, Witnesses
from talos.core.keylog_rules import RANK_1_MAX, REVOCATION_RESERVE, SIZE_MAX, verified_before
from talos.core.keylog_state import Phase
from talos.errors import MalformedMessage
from tests.node.core.identities import (
    START_MS,
    Holder,
    certificate,
    cloned,
    derived,
    ids,
    retired,
)

ALICE = Holder("alice")
THIEF = Holder("thief")
CONTROLLERS = {Holder(name).log().state.did: Holder(name) for name in ("bob", "carol", "dave")}
TWO_OF_THREE = Quorum(2, tuple(sorted(CONTROLLERS)))


def controller_key(did: bytes) -> bytes | None:
    return CONTROLLERS[did].public(0) if did in CONTROLLERS else None


def follow_up(n: int) -> dict[str, Content]:
    """Return one event of every kind that may come after `log(2)`; rank 1 shows key `n`."""
    reveal = ALICE.reveal(n)
    return {
        "rotation": Rotation(reveal, ids(0)),
        "controllers": Controllers(reveal, TWO_OF_THREE),
        "witnesses": Witnesses(reveal, Quorum(1, (derived("witness"),))),
        "voters": Voters(reveal, ids(0, 1)),
        "governor": Governor(reveal, derived("governor")),
        "thaw": Thaw(reveal, ids(0), (derived("rival"),)),
        "revocation": Revocation(ALICE.public(n), "stolen"),
        "instance": certificate(2),
        "retired": retired(1),
        "suspended": cloned(ALICE.log().state.did, 1),
    }


KINDS = list(follow_up(1))


def signed_by(event: Event, holder: Holder, n: int) -> Event:
    signature = holder.sign(n)(codec.signed(names.LABEL_EVENT, event.body))
    return replace(event, signatures=(Signature(b"", signature),))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_signed_by_its_key_is_accepted(kind: str) -> None:
    log = ALICE.next(ALICE.log(2), follow_up(1)[kind])
    assert verify(log.events) == log
    assert KeyLog.decode_and_verify(log.encode()) == log


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_signed_by_another_key_is_refused(kind: str) -> None:
    log = ALICE.log(2)
    event = ALICE.event(log, follow_up(1)[kind])
    right = 1 if event.is_rank_1 else 0
    for holder, n in ((ALICE, 1 - right), (ALICE, 2), (THIEF, right)):
        with pytest.raises(BrokenKeyLog, match="wrong signature"):
            log.extended(signed_by(event, holder, n))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_with_another_number_of_signatures_is_refused(kind: str) -> None:
    log = ALICE.log(2)
    event = ALICE.event(log, follow_up(1)[kind])
    [good] = event.signatures
    for wrong in ((), (good, good), (replace(good, signer=derived("somebody")),)):
        with pytest.raises(BrokenKeyLog, match="one signature"):
            log.extended(replace(event, signatures=wrong))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_out_of_its_place_is_refused(kind: str) -> None:
    log = ALICE.log(2)
    event = ALICE.event(log, follow_up(1)[kind])

    def moved(seq: int, previous: bytes, time_ms: int) -> Event:
        body = body_of(event.content, seq=seq, previous=previous, time_ms=time_ms)
        return signed_by(read_body(body, event.signatures), ALICE, 1 if event.is_rank_1 else 0)

    assert log.extended(moved(3, log.state.digest, START_MS))
    for seq, previous, time_ms, why in (
        (2, log.state.digest, START_MS, "event 2 follows event 2"),
        (4, log.state.digest, START_MS, "event 4 follows event 2"),
        (3, log.events[1].digest, START_MS, "names another event"),
        (3, log.state.digest, START_MS - 1, "older than the event before"),
    ):
        with pytest.raises(BrokenKeyLog, match=why):
            log.extended(moved(seq, previous, time_ms))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_follows_a_revocation(kind: str) -> None:
    revoked = ALICE.revoked(ALICE.log(2))
    assert revoked.state.phase is Phase.REVOKED
    with pytest.raises(BrokenKeyLog, match="while REVOKED"):
        revoked.extended(ALICE.event(revoked, follow_up(1)[kind], n=1))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("instance", "retired", "suspended")])
def test_rank_1_needs_the_very_key_that_was_committed_to(kind: str) -> None:
    log = ALICE.log(2)
    for n in (0, 2):
        with pytest.raises(BrokenKeyLog, match="no event committed to"):
            log.extended(ALICE.event(log, follow_up(n)[kind], n=n))


def test_a_key_cannot_be_promised_again_once_shown() -> None:
    shown = ALICE.public(0)
    with pytest.raises(BrokenKeyLog, match="commits to the key it shows"):
        verify([incept(Inception(Reveal(shown, commitment_of(shown))), now_ms=START_MS, sign=ALICE.sign(0))])
    log, again = ALICE.log(), ALICE.public(1)
    content = Voters(Reveal(again, commitment_of(again)), ())
    with pytest.raises(BrokenKeyLog, match="commits to the key it shows"):
        log.extended(ALICE.event(log, content))


def test_a_log_begins_with_one_inception_and_holds_no_second() -> None:
    log = ALICE.log(1)
    for events in (log.events[:0], log.events[1:]):
        with pytest.raises(BrokenKeyLog, match="inception"):
            verify(events)
    with pytest.raises(BrokenKeyLog, match="second inception"):
        log.extended(ALICE.event(log, Inception(ALICE.reveal(1))))
    with pytest.raises(BrokenKeyLog, match="wrong signature"):
        verify([signed_by(ALICE.inception(), ALICE, 1)])


def test_every_flipped_bit_of_a_log_is_refused_or_makes_another_identity() -> None:
    log = ALICE.log(1)
    raw = log.encode()
    for at in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[at // 8] ^= 1 << at % 8
        try:
            changed = KeyLog.decode_and_verify(bytes(flipped))
        except (MalformedMessage, BrokenKeyLog):
            continue
        assert changed.state.did != log.state.did


def test_a_controller_quorum_revokes_without_the_holder() -> None:
    log = ALICE.log(1, TWO_OF_THREE)
    signs = {did: holder.sign(0) for did, holder in list(CONTROLLERS.items())[:2]}
    event = write_as_controllers(log, "fraud", now_ms=START_MS, signs=signs)
    revoked = log.extended(event, controller_key)
    assert revoked.state.phase is Phase.REVOKED
    assert KeyLog.decode_and_verify(revoked.encode(), controller_key) == revoked


def test_what_was_verified_before_needs_no_controller_and_is_checked_in_all_else() -> None:
    log, signs = ALICE.log(1, TWO_OF_THREE), {did: holder.sign(0) for did, holder in CONTROLLERS.items()}
    event = write_as_controllers(log, "fraud", now_ms=START_MS, signs=signs)
    assert log.extended(event, verified_before).state.phase is Phase.REVOKED
    for signatures in (event.signatures[:1], event.signatures[::-1]):
        with pytest.raises(BrokenKeyLog):
            log.extended(replace(event, signatures=signatures), verified_before)
    with pytest.raises(BrokenKeyLog):
        log.extended(replace(ALICE.event(log, certificate(1)), signatures=event.signatures), verified_before)


def test_a_controller_quorum_is_counted_known_and_checked() -> None:
    log = ALICE.log(1, TWO_OF_THREE)
    stranger = Holder("stranger")
    signs = {did: holder.sign(0) for did, holder in CONTROLLERS.items()}
    (first, sign), *_ = sorted(signs.items())
    good = write_as_controllers(log, "fraud", now_ms=START_MS, signs=signs)
    one = write_as_controllers(log, "fraud", now_ms=START_MS, signs={first: sign})
    strange = write_as_controllers(log, "x", now_ms=START_MS, signs={**signs, stranger.log().state.did: sign})
    forged = write_as_controllers(log, "x", now_ms=START_MS, signs={**signs, first: THIEF.sign(0)})
    twice = replace(good, signatures=(good.signatures[0], *good.signatures))
    for event, why in (
        (one, "needs 2 of the controllers"),
        (strange, "nobody else"),
        (forged, "wrong signature of a controller"),
        (twice, "not strictly ascending"),
        (replace(good, signatures=good.signatures[::-1]), "not strictly ascending"),
    ):
        with pytest.raises(BrokenKeyLog, match=why):
            log.extended(event, controller_key)
    with pytest.raises(ControllerUnknown) as caught:
        log.extended(good)
    assert caught.value.did == first
    with pytest.raises(BrokenKeyLog, match="of the controllers"):
        ALICE.log(1).extended(write_as_controllers(ALICE.log(1), "x", now_ms=START_MS, signs=signs), controller_key)


def test_settings_are_kept_and_the_key_moves_on() -> None:
    log = ALICE.log(2)
    for n, kind in enumerate(("controllers", "witnesses", "voters", "governor"), 1):
        log = ALICE.next(log, follow_up(n)[kind])
    state = log.state
    assert (state.controllers, state.witnesses) == (TWO_OF_THREE, Quorum(1, (derived("witness"),)))
    assert (state.voters, state.governor) == (ids(0, 1), derived("governor"))
    assert (state.key, state.next_commitment) == (ALICE.public(4), commitment_of(ALICE.public(5)))
    assert [old.key for old in state.old_keys] == [ALICE.public(n) for n in (3, 2, 1, 0)]


def test_rank_1_ends_at_its_limit_and_the_last_is_a_revocation() -> None:
    log = ALICE.log()
    for _ in range(RANK_1_MAX - 2):
        log = ALICE.next(log, Voters(ALICE.reveal(log.state.rank_1_count), ()))
    assert log.state.rank_1_count == RANK_1_MAX - 1
    with pytest.raises(BrokenKeyLog, match="the last a revocation"):
        ALICE.next(log, Voters(ALICE.reveal(RANK_1_MAX - 1), ()))
    revoked = ALICE.revoked(log)
    assert revoked.state.rank_1_count == RANK_1_MAX
    assert len(revoked.encode()) <= KEY_LOG_SIZE_MAX


def full_log() -> KeyLog:
    """Return a log in which no further certificate fits."""
    log, number = ALICE.log(0, Quorum(MEMBERS_MAX, tuple(sorted(derived("c", n) for n in range(MEMBERS_MAX))))), 0
    while True:
        try:
            log = ALICE.certified(log, 0, now_ms=START_MS + number)
        except BrokenKeyLog:
            return log
        number += 1


def test_size_ends_at_its_limit_and_leaves_room_for_the_largest_revocation() -> None:
    log = full_log()
    spare = SIZE_MAX - REVOCATION_RESERVE - log.state.size
    assert 0 <= spare < len(ALICE.event(log, certificate(0)).encode())
    signs = {did: ALICE.sign(0) for did in log.state.controllers.members}
    largest = write_as_controllers(log, "r" * REASON_SIZE_MAX, now_ms=START_MS, signs=signs)
    assert len(largest.encode()) <= REVOCATION_RESERVE
    revoked = log.extended(largest, lambda _: ALICE.public(0))
    assert len(revoked.encode()) <= KEY_LOG_SIZE_MAX
    assert KeyLog.decode_and_verify(revoked.encode(), lambda _: ALICE.public(0)) == revoked


def test_a_clock_set_back_does_not_make_a_log_unwritable() -> None:
    log = ALICE.log(1)
    assert write(log, certificate(1), now_ms=0, sign=ALICE.sign(0)).time_ms == START_MS
