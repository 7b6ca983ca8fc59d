"""Whom we know: key logs and addresses, which are kept; cards, which can be fetched again."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Final

from talos.core import codec
from talos.core.greeting import Card
from talos.core.keylog import KeyLog, merge
from talos.core.keylog_rules import verified_before
from talos.core.names import did_of
from talos.core.party import Party, check_party
from talos.core.step import Put, Step
from talos.core.tables import CARDS, KEYLOGS, NEWCOMERS, PEERS
from talos.errors import Damaged, Refused, StoreFailed
from talos.host import Address, Host
from talos.services.commit import Committer
from talos_ratchet import Bundle, RatchetError, read_bundle

ADDRESSES_MAX: Final = 8  # Per peer: beyond that the oldest is forgotten.
ADDRESS_SIZE_MAX: Final = 4096  # Bytes of a row of addresses: 8 of 255 characters and a port.


class SomebodyElse(Refused):
    """Who answers at an address is not who was wanted."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """A checked card: who somebody is, and what a session with it starts from."""

    key_log: KeyLog
    party: Party
    bundle: Bundle

    @property
    def did(self) -> bytes:
        return self.key_log.state.did


def check_card(card: Card, key_log: KeyLog, wanted: bytes, now_ms: int) -> Introduction:
    """Check every signature of a card against the identity's `key_log`. `wanted` is its DID hash; empty: anybody's.

    Raises `Damaged` for what is forged or put together of two, `SomebodyElse` for another's card, `Refused` for
    what does not hold now.
    """
    if wanted and key_log.state.did != wanted:
        raise SomebodyElse(f"{did_of(key_log.state.did)} answers there, not {did_of(wanted)}")
    party = Party.decode(card.party)
    check_party(party, key_log, now_ms)
    return Introduction(key_log, party, check_bundle(card.bundle, party))


def check_bundle(raw: bytes, party: Party) -> Bundle:
    """Return the bundle if the party's own instance made it. Raises `Damaged`.

    Its age is not judged: whoever shows it can use it now, or refuses the opening; a wrong clock cuts nobody off.
    """
    try:
        bundle = read_bundle(raw, now_ms=None)
    except RatchetError as error:
        raise Damaged(f"the peer's bundle does not hold: {error}") from error
    if (bundle.signer, bundle.agreement) != (party.ed25519, party.x25519):
        raise Damaged("the bundle is of another instance than the party record")
    return bundle


class Directory:
    """Reads through to the stores; key logs and addresses that were asked for are kept in memory too."""

    def __init__(self, host: Host, committer: Committer, own: KeyLog, newcomers: Container[bytes] = ()) -> None:
        self._host = host
        self._committer = committer
        self._newcomers = newcomers
        self._key_logs: dict[bytes, KeyLog] = {own.state.did: own}
        self._leaving: set[bytes] = set()  # Newcomers whose key logs are being deleted.
        self._addresses: dict[bytes, list[Address]] = {}
        self._cardless: set[bytes] = set()  # Whose cards in the cache do not count.
        self.trouble: str | None = None  # Why cards cannot be kept.
        # What to show to who asks for somebody else's key log: discovery says, if this node takes part in it.
        self.shown: Callable[[bytes], bytes | None] = lambda did: None

    def key_log(self, did: bytes) -> KeyLog | None:
        if did not in self._key_logs:
            if did in self._leaving:
                return None
            stored = self._host.store.get(KEYLOGS, did)
            if stored is None:
                return None
            self._key_logs[did] = KeyLog.decode_and_verify(stored, verified_before)
        return self._key_logs[did]

    def __contains__(self, did: bytes) -> bool:
        """Say whether there is a key log of this identity, without reading it."""
        here = did in self._key_logs or self._host.store.get(KEYLOGS, did) is not None
        return here and (did in self._key_logs or did not in self._leaving)

    def drop(self, did: bytes) -> None:
        """The key log of a newcomer is being deleted; `dropped`, once it is."""
        self._key_logs.pop(did, None)
        self._leaving.add(did)

    def dropped(self, did: bytes) -> None:
        self._leaving.discard(did)

    def if_known(self, did: bytes, raw: bytes) -> KeyLog | None:
        """Return our copy if `raw` is the same: it need not be verified again."""
        known = self.key_log(did)
        return known if known is not None and known.encode() == raw else None

    def read(self, raw: bytes) -> KeyLog:
        """Return a key log that somebody showed, verified; whoever controls it must be known here if it says so.

        Raises `MalformedMessage`, `BrokenKeyLog` or `ControllerUnknown`.
        """
        return KeyLog.decode_and_verify(raw, self._current_key)

    def _current_key(self, controller: bytes) -> bytes | None:
        if controller in self._newcomers:
            return None  # It may be let go any day, and whoever it vouched for could not be verified here any more.
        log = self.key_log(controller)
        return None if log is None else log.state.key

    def merged(self, log: KeyLog) -> KeyLog:
        """Return what `log` and the copy we have come to. Raises `BrokenKeyLog`."""
        known = self.key_log(log.state.did)
        return log if known is None or known.encode() == log.encode() else merge(known, log)

    def grow(self, log: KeyLog) -> KeyLog | None:
        """Take what `log` adds to our copy; return the copy then, to be stored, or None if it adds nothing.

        In memory it counts at once, so that two who learn at the same time build on each other; `forget` takes it
        back to what is on disk. Raises `BrokenKeyLog`.
        """
        did = log.state.did
        known, merged = self.key_log(did), self.merged(log)
        if known is not None and known.encode() == merged.encode():
            return None
        self._key_logs[did] = merged
        return merged

    def forget(self, did: bytes) -> None:
        """What is in memory did not reach the disk: read it from there again."""
        self._key_logs.pop(did, None)
        self._leaving.discard(did)
        self._addresses.pop(did, None)

    async def keep_card(self, did: bytes, card: Card) -> None:
        await self._write_card(did, card.encode())

    def check(self, card: Card, wanted: bytes, now_ms: int) -> Introduction:
        """Check a card that somebody showed, against all we know: an old key log hides nothing.

        Raises as `check_card` and `read` do.
        """
        return check_card(card, self.merged(self.read(card.key_log)), wanted, now_ms)

    async def forget_card(self, did: bytes) -> None:
        """The card led to nothing: fetch a new one next time."""
        await self._write_card(did, None)

    async def _write_card(self, did: bytes, raw: bytes | None) -> None:
        """Where the cache cannot be written, there is no card: it is fetched each time, and whoever dials goes on."""
        self._cardless.add(did)  # Until it is written: what lies there is the old one.
        try:
            await self._host.blocking(lambda: self._host.cache.commit([Put(CARDS, did, raw)]))
        except StoreFailed as error:
            self.trouble = f"the cards of peers could not be written: {error}"
        else:
            self._cardless.discard(did)
            self.trouble = None

    def card(self, did: bytes, now_ms: int) -> Introduction | None:
        """Return the introduction kept for a peer, if it still holds under what we know now."""
        stored = None if did in self._cardless else self._host.cache.get(CARDS, did)
        if stored is None:
            return None
        try:
            return self.check(Card.decode(stored), did, now_ms)
        except (Damaged, Refused):
            return None  # A newer one is fetched; a cache has nothing to lose.

    def addresses(self, did: bytes) -> list[Address]:
        """Return where a peer may be reached, newest first."""
        known = self._addresses.get(did)
        if known is None:
            stored = self._host.store.get(PEERS, did)
            if stored is None:
                return []  # Nor is that kept in memory: there is no end of strangers.
            known = self._addresses[did] = _read_addresses(stored)
        return known

    async def add_address(self, did: bytes, address: Address) -> None:
        known = [one for one in self.addresses(did) if one != address]
        self._addresses[did] = [address, *known][:ADDRESSES_MAX]
        fields: list[codec.Field] = [[one.host, one.port] for one in self._addresses[did]]
        # Whom we know by an address is no newcomer, whatever it was before.
        step = Step((Put(PEERS, did, codec.pack(fields)), Put(NEWCOMERS, did, None)))
        await self._committer.submit(step, refused=lambda _: self.forget(did)).on_disk()

    def known(self) -> list[bytes]:
        """Return the DID hashes of all peers that have an address."""
        return [did for did, _ in self._host.store.scan(PEERS)]


def _read_addresses(stored: bytes) -> list[Address]:
    (listed,) = codec.array(stored, length=1, size_max=ADDRESS_SIZE_MAX, field="addresses")
    addresses = []
    for one in codec.listing(listed, most=ADDRESSES_MAX, field="addresses"):
        host, port = codec.listing(one, most=2, field="address")
        addresses.append(
            Address(codec.text(host, most=255, field="host"), codec.integer(port, least=1, most=65_535, field="port"))
        )
    return addresses
