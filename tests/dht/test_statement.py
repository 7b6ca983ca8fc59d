"""Records and providers: written one way, read or refused, and believed only if signed, alive and not too long so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos_dht import (
    LIFE_MS,
    Address,
    BadStatement,
    Instance,
    KeyLogUnknown,
    Malformed,
    Provider,
    Record,
    check,
    place_of,
    rank,
)
from talos_dht.messages import PROVIDER_SIZE_MAX, RECORD_SIZE_MAX
from talos_dht.statement import LOG_SEQ_MAX, SEQ_MAX, SKEW_MS, TIME_MS_MAX, Statement
from tests.dht.publishers import UTC_MS, KeyLogs, Publisher

ADA, BOB = Publisher(1), Publisher(2)
LOGS = KeyLogs(ADA)

hashes = st.binary(min_size=32, max_size=32)
addresses = st.builds(
    Address,
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=60),
    st.integers(1, 65_535),
    st.one_of(st.just(b""), hashes),
)
instances = st.builds(
    Instance, hashes, st.integers(0, SEQ_MAX), st.lists(addresses, max_size=2).map(lambda listed: tuple(listed))
)
common = {
    "did": hashes,
    "log_seq": st.integers(0, LOG_SEQ_MAX),
    "log_digest": hashes,
    "seq": st.integers(0, SEQ_MAX),
    "expires_ms": st.integers(0, TIME_MS_MAX),
    "signature": st.binary(min_size=64, max_size=64),
}
records = st.builds(
    Record,
    instances=st.lists(instances, min_size=1, max_size=3).map(lambda listed: tuple(listed)),
    bundle=hashes,
    **common,
)
providers = st.builds(Provider, topic=hashes, **common)


@given(records)
def test_a_record_is_read_as_it_was_written_or_was_too_long(record: Record) -> None:
    raw = record.encode()
    if len(raw) <= RECORD_SIZE_MAX:
        assert Record.decode(raw) == record
        assert Record.decode(raw).encode() == raw
    else:
        with pytest.raises(Malformed):
            Record.decode(raw)


@given(providers)
def test_a_provider_is_read_as_it_was_written_and_always_fits(provider: Provider) -> None:
    assert Provider.decode(provider.encode()) == provider
    assert len(provider.encode()) <= PROVIDER_SIZE_MAX


@given(st.binary(max_size=300), st.sampled_from([Record.decode, Provider.decode]))
def test_any_bytes_are_read_or_refused(raw: bytes, decode: Callable[[bytes], Statement]) -> None:
    try:
        assert decode(raw).encode() == raw
    except Malformed:
        return


@given(st.data(), st.sampled_from([ADA.record(), ADA.provider()]))
def test_a_statement_with_one_byte_changed_is_refused_or_not_believed(data: st.DataObject, made: Statement) -> None:
    raw = bytearray(made.encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((Malformed, BadStatement, KeyLogUnknown)):
        check(type(made).decode(bytes(raw)), LOGS.key_of, UTC_MS)  # type: ignore[attr-defined]  # Both have it.


@pytest.mark.parametrize("made", [ADA.record(), ADA.provider()])
def test_what_the_identity_signed_is_believed_until_it_ends(made: Record | Provider) -> None:
    check(made, LOGS.key_of, UTC_MS)
    check(made, LOGS.key_of, made.expires_ms - 1)
    with pytest.raises(BadStatement):
        check(made, LOGS.key_of, made.expires_ms)


def test_nobody_can_have_it_held_for_longer_than_four_hours_but_for_a_clock_that_is_ahead() -> None:
    check(ADA.record(life_ms=LIFE_MS + SKEW_MS), LOGS.key_of, UTC_MS)
    with pytest.raises(BadStatement):
        check(ADA.record(life_ms=LIFE_MS + SKEW_MS + 1), LOGS.key_of, UTC_MS)


@pytest.mark.parametrize("made", [ADA.record(), ADA.provider()])
def test_s1_what_another_signed_is_not_believed(made: Record | Provider) -> None:
    forged = replace(made, signature=BOB.sign(made.message()))
    with pytest.raises(BadStatement):
        check(forged, LOGS.key_of, UTC_MS)


def test_a_signature_of_a_record_is_none_of_a_provider() -> None:
    provider = ADA.provider()
    body = provider.message().partition(b"\x00")[2]
    forged = replace(provider, signature=ADA.sign(b"talos/v1/dht-record\x00" + body))
    with pytest.raises(BadStatement):
        check(forged, LOGS.key_of, UTC_MS)


def test_where_the_key_log_is_not_known_nobody_can_tell_and_where_it_differs_it_is_false() -> None:
    with pytest.raises(KeyLogUnknown):
        check(BOB.record(), LOGS.key_of, UTC_MS)
    with pytest.raises(KeyLogUnknown):
        check(ADA.record(log_seq=LOGS.length), LOGS.key_of, UTC_MS)
    elsewhere = replace(ADA.record(), log_digest=bytes(32))
    with pytest.raises(BadStatement):
        check(replace(elsewhere, signature=ADA.sign(elsewhere.message())), LOGS.key_of, UTC_MS)


def test_a_key_that_is_none_verifies_nothing() -> None:
    with pytest.raises(BadStatement):
        check(ADA.record(), lambda *_: b"short", UTC_MS)


def test_the_newer_of_two_has_the_longer_key_log_or_else_the_higher_number() -> None:
    ranked = [ADA.record(1), ADA.record(2), ADA.record(9), ADA.record(1, log_seq=1), ADA.record(2, log_seq=1)]
    assert all(rank(older) < rank(newer) for older, newer in pairwise(ranked))
    twins = [ADA.record(1, host="a.example"), ADA.record(1, host="b.example")]
    assert max(twins, key=rank) == max(reversed(twins), key=rank)


def test_a_record_lies_at_three_places_and_a_topic_at_a_fourth_which_nobody_can_choose() -> None:
    record = ADA.record()
    places = [sha256(b"talos/v1/dht-place\x00" + ADA.did + bytes([salt])).digest()[:20] for salt in range(4)]
    assert record.places == places[:3]
    laid_before = replace(ADA.provider(), topic=ADA.did)
    assert laid_before.place == places[3] == place_of(ADA.did, 3)


def test_what_nobody_could_read_is_not_signed() -> None:
    long = Address("h" * 255, 1)
    with pytest.raises(Malformed):
        replace(ADA.record(), instances=(Instance(bytes(32), 0, (long, long)),) * 3).signed(ADA.sign)
    with pytest.raises(Malformed):
        replace(ADA.record(), instances=()).signed(ADA.sign)
    with pytest.raises(Malformed):
        replace(ADA.record(), instances=(Instance(bytes(32)),) * 4).signed(ADA.sign)


def test_three_instances_with_two_relayed_ipv6_addresses_each_fit() -> None:
    far = Address("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 65_535, bytes(32))
    full = replace(ADA.record(), instances=(Instance(bytes(32), SEQ_MAX, (far, far)),) * 3, seq=SEQ_MAX)
    assert len(full.signed(ADA.sign).encode()) == 793


BAD = {
    "relay of half a key": replace(ADA.record(), instances=(Instance(bytes(32), 0, (Address("h", 1, bytes(16)),)),)),
    "no host": replace(ADA.record(), instances=(Instance(bytes(32), 0, (Address("", 1),)),)),
    "port 0": replace(ADA.record(), instances=(Instance(bytes(32), 0, (Address("h", 0),)),)),
    "three addresses": replace(ADA.record(), instances=(Instance(bytes(32), 0, (Address("h", 1),) * 3),)),
    "half a DID": replace(ADA.record(), did=bytes(16)),
    "half a signature": replace(ADA.record(), signature=bytes(32)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_record_with_one_bad_field_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        Record.decode(BAD[name].encode())
