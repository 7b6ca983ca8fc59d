"""The prekey ring: what it offers, to whom, how often; what it keeps, and when it forgets."""

from __future__ import annotations

from hashlib import sha256

import pytest
from nacl.signing import SigningKey

from talos.core.keylog_keys import signer
from talos.core.prekeys import (
    DAY_MS,
    KEEP_MS,
    OFFER_MS,
    OFFERS_MAX,
    ROTATE_MS,
    SEEN_MAX,
    Found,
    PrekeyRing,
    Signed,
    seen_key,
)
from talos.core.tables import PREKEYS, SEEN, STATE_TABLES
from talos.core.vault import Vault
from talos.drivers.kem import encapsulate
from talos.drivers.memory_store import MemoryStore
from talos.errors import Damaged
from talos_ratchet import (
    Expired,
    Forged,
    KeyPair,
    Offer,
    Opening,
    make_kem_prekey,
    make_prekey,
    read_bundle,
    read_offer,
    read_opening,
    start,
)
from tests.node.core.end import dice

NOW_MS = 1_700_000_000_000
REQUESTER, STRANGER = sha256(b"requester").digest(), sha256(b"stranger").digest()
KEY = SigningKey(bytes(range(32)))
PAIR = KeyPair.of(bytes(range(1, 33)))
VAULT = Vault({1: bytes(32)}, 1)


class Kept:
    """A ring and its rows."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.store = MemoryStore(STATE_TABLES)
        self.ring = self.made()
        self.rotate(now_ms)

    def made(self) -> PrekeyRing:
        return PrekeyRing(
            sign=signer(KEY),
            signer=bytes(KEY.verify_key),
            agreement=PAIR.public,
            entropy=dice("ring"),
            vault=VAULT,
        )

    def rotate(self, now_ms: int) -> int:
        """Return how many rows that wrote."""
        rotation = self.ring.rotation(self.store, now_ms)
        if rotation is None:
            return 0
        self.store.commit(rotation.writes)
        self.ring.rotated(rotation)
        return len(rotation.writes)

    def restart(self) -> None:
        self.ring = self.made()
        self.ring.load(self.store.scan(PREKEYS))

    def offer(self, requester: bytes = REQUESTER, now_ms: int = NOW_MS) -> Offer | None:
        raw = self.ring.offer(requester, now_ms)
        return read_offer(raw, signer=bytes(KEY.verify_key), requester=requester, now_ms=now_ms) if raw else None

    def opening(self, offer: Offer | None, now_ms: int = NOW_MS) -> Opening:
        """Return an opening to this ring's owner."""
        bundle = read_bundle(self.ring.bundle, now_ms=now_ms)
        _, raw = start(
            pair=KeyPair.of(bytes(range(2, 34))),
            party=b"initiator",
            peer_party=b"responder",
            bundle=bundle,
            offer=offer,
            first=b"first",
            entropy=dice("initiator"),
            encapsulate=encapsulate,
            now_ms=now_ms,
        )
        return read_opening(raw)

    def rows(self, table: str) -> list[bytes]:
        return [key for key, _ in self.store.scan(table)]


def is_whole(found: Found) -> bool:
    """True if every key that the opening names was found."""
    return found.prekeys.signed is not None and found.prekeys.kem is not None


def test_the_bundle_survives_a_restart() -> None:
    kept = Kept()
    before = kept.ring.bundle
    kept.restart()
    assert kept.ring.bundle == before
    assert is_whole(kept.ring.find(kept.opening(None), REQUESTER, NOW_MS))


def test_a_signed_prekey_serves_a_week_and_is_kept_for_two_more() -> None:
    kept = Kept()
    old = kept.opening(None)
    assert kept.rotate(NOW_MS + ROTATE_MS - 1) == 0
    assert kept.rotate(NOW_MS + ROTATE_MS) == 1
    assert read_bundle(kept.ring.bundle, now_ms=NOW_MS).signed_prekey_id == old.signed_prekey_id + 1
    assert is_whole(kept.ring.find(old, REQUESTER, NOW_MS))
    kept.rotate(NOW_MS + ROTATE_MS + KEEP_MS)
    assert is_whole(kept.ring.find(old, REQUESTER, NOW_MS))
    kept.rotate(NOW_MS + ROTATE_MS + KEEP_MS + 1)
    assert not is_whole(kept.ring.find(old, REQUESTER, NOW_MS))
    kept.restart()
    assert not is_whole(kept.ring.find(old, REQUESTER, NOW_MS))


def test_a_rotation_that_is_not_on_disk_yet_has_changed_nothing() -> None:
    kept = Kept()
    before = kept.ring.bundle
    due = kept.ring.rotation(kept.store, NOW_MS + ROTATE_MS)
    assert due is not None
    assert kept.ring.bundle == before
    kept.ring.rotated(due)
    assert kept.ring.bundle != before


def test_a_bundle_ends_when_its_prekey_is_forgotten() -> None:
    bundle = read_bundle(Kept().ring.bundle, now_ms=NOW_MS + ROTATE_MS + KEEP_MS)
    assert bundle.not_after_ms == NOW_MS + ROTATE_MS + KEEP_MS
    with pytest.raises(Expired):
        read_bundle(bundle.raw, now_ms=bundle.not_after_ms + 1)


def test_a_clock_set_far_back_does_not_keep_one_prekey_for_ever() -> None:
    kept = Kept(NOW_MS + 1_000 * DAY_MS)
    assert kept.rotate(NOW_MS) == 1
    assert kept.rotate(NOW_MS) == 0
    assert kept.rotate(NOW_MS + ROTATE_MS) == 1


def test_with_a_prekey_go_the_notes_of_what_was_opened_on_it() -> None:
    kept = Kept()
    found = kept.ring.find(kept.opening(None), REQUESTER, NOW_MS)
    kept.store.commit(found.consumed)
    assert kept.rows(SEEN) == [seen_key(kept.opening(None))]
    kept.rotate(NOW_MS + ROTATE_MS)
    assert kept.rows(SEEN) != []
    kept.rotate(NOW_MS + ROTATE_MS + KEEP_MS + 1)
    assert kept.rows(SEEN) == []


def test_so_many_openings_are_noted_and_no_more_until_a_prekey_goes_with_its_notes() -> None:
    kept = Kept()
    found = kept.ring.find(kept.opening(None), REQUESTER, NOW_MS)
    kept.store.commit(found.consumed)
    kept.ring.load(kept.store.scan(PREKEYS), seen=SEEN_MAX - 1)
    assert kept.ring.may_note
    kept.ring.noted()
    assert not kept.ring.may_note
    kept.rotate(NOW_MS + ROTATE_MS)
    assert not kept.ring.may_note
    kept.rotate(NOW_MS + ROTATE_MS + KEEP_MS + 1)
    assert kept.ring.may_note


def test_an_offer_is_made_where_none_is_outstanding_or_spent_and_there_is_room() -> None:
    ring = Kept().ring
    assert ring.would_make(REQUESTER, NOW_MS)
    ring.offer(REQUESTER, NOW_MS)
    assert not ring.would_make(REQUESTER, NOW_MS)
    ring.spent(REQUESTER, NOW_MS)
    assert not ring.would_make(REQUESTER, NOW_MS)
    assert ring.would_make(REQUESTER, NOW_MS + OFFER_MS)


def test_an_offer_is_the_same_one_until_it_is_spent_or_old() -> None:
    kept = Kept()
    first = kept.offer()
    assert kept.offer(now_ms=NOW_MS + OFFER_MS - 1) == first
    assert kept.offer(now_ms=NOW_MS + OFFER_MS) != first


def test_an_offer_is_for_its_requester_alone() -> None:
    kept = Kept()
    raw = kept.ring.offer(REQUESTER, NOW_MS)
    with pytest.raises(Forged):
        read_offer(raw, signer=bytes(KEY.verify_key), requester=STRANGER, now_ms=NOW_MS)
    opening = kept.opening(kept.offer())
    assert is_whole(kept.ring.find(opening, REQUESTER, NOW_MS))
    assert not is_whole(kept.ring.find(opening, STRANGER, NOW_MS))


def test_looking_for_keys_uses_up_none() -> None:
    kept = Kept()
    opening = kept.opening(kept.offer())
    for _ in range(3):
        assert kept.ring.find(opening, REQUESTER, NOW_MS).consumed == ()
        assert is_whole(kept.ring.find(opening, REQUESTER, NOW_MS))


def test_a_spent_offer_opens_nothing_and_there_is_no_other_for_ten_minutes() -> None:
    kept = Kept()
    opening = kept.opening(kept.offer())
    kept.ring.spent(REQUESTER, NOW_MS)
    assert not is_whole(kept.ring.find(opening, REQUESTER, NOW_MS))
    assert kept.offer(now_ms=NOW_MS + OFFER_MS - 1) is None
    assert kept.offer(now_ms=NOW_MS + OFFER_MS) is not None


def test_spending_what_was_never_offered_costs_the_requester_nothing() -> None:
    kept = Kept()
    kept.ring.spent(REQUESTER, NOW_MS)
    assert kept.offer() is not None


def test_the_pool_holds_so_many_offers_and_then_the_last_resort_serves() -> None:
    kept = Kept()
    for number in range(OFFERS_MAX):
        assert kept.ring.offer(sha256(b"%d" % number).digest(), NOW_MS)
    assert kept.offer() is None
    assert is_whole(kept.ring.find(kept.opening(None), REQUESTER, NOW_MS))
    assert kept.offer(now_ms=NOW_MS + OFFER_MS) is not None


def test_offers_do_not_outlive_the_process() -> None:
    kept = Kept()
    opening = kept.opening(kept.offer())
    kept.restart()
    assert not is_whole(kept.ring.find(opening, REQUESTER, NOW_MS))
    assert kept.rows(PREKEYS) == [(1).to_bytes(4, "big")]


def test_an_opening_on_the_last_resort_leaves_a_note_by_which_a_replay_is_known() -> None:
    kept = Kept()
    opening = kept.opening(None)
    (note,) = kept.ring.find(opening, REQUESTER, NOW_MS).consumed
    assert (note.table, note.key) == (SEEN, opening.kem_prekey_id.to_bytes(4, "big") + opening.ephemeral)


def test_a_prekey_row_is_read_back_as_it_was_written_and_sealed() -> None:
    signed = Signed(make_prekey(7, dice("row")), make_kem_prekey(7, dice("row")), NOW_MS)
    assert Signed.decode(signed.encode()).encode() == signed.encode()
    kept = Kept()
    (row,) = [value for _, value in kept.store.scan(PREKEYS)]
    ring = kept.made()
    with pytest.raises(Damaged):
        ring.load([((2).to_bytes(4, "big"), row)])
