"""Our prekeys: the signed pair in the bundle, rotated weekly, and the one-time pairs that we offer on a link.

Signed prekeys are rows, because bundles that name them travel. One-time pairs live in memory only: an offer is
answered on the same link or not at all, and what is not stored cannot be stolen or fill the disk.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from talos.core.dice import Entropy
from talos.core.step import Put
from talos.core.tables import PREKEYS, SEEN, Rows
from talos.core.vault import Vault
from talos.errors import Damaged
from talos_ratchet import (
    KemPrekey,
    Opening,
    Prekey,
    Prekeys,
    Sign,
    make_bundle,
    make_kem_prekey,
    make_offer,
    make_prekey,
)

DAY_MS: Final = 24 * 3600 * 1000
ROTATE_MS: Final = 7 * DAY_MS  # A stolen signed prekey opens first contacts of a week, no more.
KEEP_MS: Final = 14 * DAY_MS  # Kept after its rotation: bundles that name it are still about.
OFFERS_MAX: Final = 256  # Outstanding: 256 x 1.7 kB, and 216 us each to make.
SEEN_MAX: Final = 65_536  # Openings noted on last-resort prekeys that are kept: 5 MB. Beyond, only offers open.
OFFER_MS: Final = 10 * 60 * 1000  # An offer's life, and the least time between two for one requester.

_HEAD: Final = struct.Struct(">QI")


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed prekey and the last-resort KEM prekey made with it; both have the same id."""

    prekey: Prekey
    last_resort: KemPrekey
    made_ms: int

    def encode(self) -> bytes:
        prekey = self.prekey.encode()
        return _HEAD.pack(self.made_ms, len(prekey)) + prekey + self.last_resort.encode()

    @classmethod
    def decode(cls, raw: bytes) -> Signed:
        made_ms, size = _HEAD.unpack_from(raw)
        at = _HEAD.size + size
        return cls(Prekey.decode(raw[_HEAD.size : at]), KemPrekey.decode(raw[at:]), made_ms)


@dataclass(frozen=True, slots=True)
class _Offered:
    prekey: Prekey
    kem: KemPrekey
    raw: bytes
    made_ms: int


@dataclass(frozen=True, slots=True)
class Found:
    """The keys that an opening names, and what accepting it must write."""

    prekeys: Prekeys
    consumed: tuple[Put, ...]


@dataclass(frozen=True, slots=True)
class Rotation:
    """The signed prekeys after a rotation, by id, and the writes that make it so."""

    signed: Mapping[int, Signed]
    writes: tuple[Put, ...]
    made: int | None  # The id of the new one; None where old ones only end.


class PrekeyRing:
    """All prekeys of this instance. `sign` and `signer` are its Ed25519 key, `agreement` its X25519 key."""

    def __init__(self, *, sign: Sign, signer: bytes, agreement: bytes, entropy: Entropy, vault: Vault) -> None:
        self._sign = sign
        self._signer = signer
        self._agreement = agreement
        self._entropy = entropy
        self._vault = vault
        self._signed: dict[int, Signed] = {}
        self._offers: dict[bytes, _Offered] = {}  # By requester's DID hash, oldest first.
        self._spent: dict[bytes, int] = {}  # Requester -> ms until which it gets no further offer.
        self._next_offer_id = 1
        self._seen = 0  # Rows of `seen`.
        self.bundle = b""

    def load(self, stored: Iterable[tuple[bytes, bytes]], *, seen: int = 0) -> None:
        """Take over the rows of `prekeys`; `seen` is how many rows the table of that name has. Raises `Damaged`."""
        self._seen = seen
        for key, sealed in stored:
            signed = Signed.decode(self._vault.open(PREKEYS, key, sealed))
            self._signed[signed.prekey.id] = signed
        if self._signed:
            self._make_bundle()

    def rotation(self, rows: Rows, now_ms: int) -> Rotation | None:
        """Return what is due: a new signed prekey if the newest is a week old, the end of those past their time.

        Ask at start, and daily. Nothing changes before `rotated`, which is called once the writes are on disk.
        """
        newest = max(self._signed, default=0)
        age_ms = now_ms - self._signed[newest].made_ms if newest else ROTATE_MS
        kept = {n: one for n, one in self._signed.items() if now_ms - one.made_ms <= ROTATE_MS + KEEP_MS}
        writes = [put for old in self._signed.keys() - kept.keys() for put in _forgotten(old, rows)]
        # A clock that was set far back must not keep one prekey for ever: such an age is negative.
        if not 0 <= age_ms < ROTATE_MS:
            number = newest + 1
            signed = Signed(make_prekey(number, self._entropy), make_kem_prekey(number, self._entropy), now_ms)
            kept[number] = signed
            key = number.to_bytes(4, "big")
            writes.append(Put(PREKEYS, key, self._vault.seal(PREKEYS, key, signed.encode(), self._entropy)))
        made = max(kept) if max(kept) != newest else None
        return Rotation(kept, tuple(writes), made) if writes else None

    def rotated(self, rotation: Rotation) -> None:
        """The rotation is on disk: the bundle is the new one from now on."""
        self._signed = dict(rotation.signed)
        self._seen -= sum(put.table == SEEN for put in rotation.writes)
        self._make_bundle()

    def would_make(self, requester: bytes, now_ms: int) -> bool:
        """Say whether `offer` would make a new one now."""
        self._expire(now_ms)
        return requester not in self._offers and requester not in self._spent and len(self._offers) < OFFERS_MAX

    def offer(self, requester: bytes, now_ms: int) -> bytes:
        """Return an offer for the requester's DID hash, the same one while it lasts; empty if the pool is.

        The requester is a claim at this moment: an offer to a liar costs a place in the pool until it expires.
        """
        if not self.would_make(requester, now_ms):
            offered = self._offers.get(requester)
            return b"" if offered is None else offered.raw
        number = self._next_offer_id
        self._next_offer_id += 1
        prekey, kem = make_prekey(number, self._entropy), make_kem_prekey(number, self._entropy)
        raw = make_offer(
            sign=self._sign,
            signer=self._signer,
            requester=requester,
            prekey=prekey,
            kem_prekey=kem,
            not_after_ms=now_ms + OFFER_MS,
        )
        self._offers[requester] = _Offered(prekey, kem, raw, now_ms)
        return raw

    def find(self, opening: Opening, requester: bytes, now_ms: int) -> Found:
        """Return the keys that an opening of this requester names, None in the place of what we do not have."""
        self._expire(now_ms)
        signed = self._signed.get(opening.signed_prekey_id)
        offered = self._offers.get(requester)
        prekey = None if signed is None else signed.prekey
        if opening.one_time:
            if offered is None or (offered.prekey.id, offered.kem.id) != (opening.one_time_id, opening.kem_prekey_id):
                return Found(Prekeys(prekey, None, None), ())
            return Found(Prekeys(prekey, offered.prekey, offered.kem), ())
        last = self._signed.get(opening.kem_prekey_id)
        seen = Put(SEEN, seen_key(opening), b"")
        return Found(Prekeys(prekey, None, None if last is None else last.last_resort), (seen,))

    @property
    def may_note(self) -> bool:
        """False while so many openings on last-resort prekeys are noted that no more are taken."""
        return self._seen < SEEN_MAX

    def noted(self) -> None:
        """An opening on a last-resort prekey is on its way to the disk."""
        self._seen += 1

    def not_noted(self) -> None:
        """It did not reach the disk."""
        self._seen -= 1

    def spent(self, requester: bytes, now_ms: int) -> None:
        """The requester's one-time pair is in a session that is on disk: forget the pair."""
        if self._offers.pop(requester, None) is not None:
            self._spent[requester] = now_ms + OFFER_MS

    def _expire(self, now_ms: int) -> None:
        for requester, offered in list(self._offers.items()):
            if not 0 <= now_ms - offered.made_ms < OFFER_MS:
                del self._offers[requester]
        for requester, until_ms in list(self._spent.items()):
            if not 0 < until_ms - now_ms <= OFFER_MS:
                del self._spent[requester]

    def _make_bundle(self) -> None:
        newest = max(self._signed.values(), key=lambda signed: signed.prekey.id)
        if newest.prekey.id != newest.last_resort.id:
            raise Damaged("a prekey row holds two prekeys of different ids")
        self.bundle = make_bundle(
            sign=self._sign,
            signer=self._signer,
            agreement=self._agreement,
            prekey=newest.prekey,
            last_resort=newest.last_resort,
            not_after_ms=newest.made_ms + ROTATE_MS + KEEP_MS,
        )


def seen_key(opening: Opening) -> bytes:
    """Return where an opening on the last-resort prekey is noted, so that a replay of it is known."""
    return opening.kem_prekey_id.to_bytes(4, "big") + opening.ephemeral


def _forgotten(number: int, rows: Rows) -> list[Put]:
    """With a signed prekey go the notes of what was opened on it: nothing can be any more."""
    key = number.to_bytes(4, "big")
    return [Put(PREKEYS, key, None), *(Put(SEEN, seen, None) for seen, _ in rows.scan(SEEN, key))]
