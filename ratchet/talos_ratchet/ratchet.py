"""One lane: a Double Ratchet with header encryption. Opening a frame changes nothing; taking it does.

    frame   kind 1 | nonce 12 | sealed header 51 + 16 | sealed body n + 16         96 + n bytes
    header  ratchet key 32 | PN 4 | N 4 | pq_epoch 2 | flags 1 | lease_epoch 8       51 bytes, big endian

`kind` is 0x10 + lane. Header and body are sealed under one random nonce and two unrelated keys; AD of the
header is transcript hash 32 | lane 1, AD of the body is that and the first 80 bytes of the frame. So that a
store rolled back, or a cloned machine, never seals twice under one key and nonce, the nonce is random.

Our half of a DH turn is made when next we send: no key of ours is older than it has to be.

Source: Signal, "The Double Ratchet Algorithm", sections 2.3 to 2.6, 4 (header encryption) and 8.5.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from talos_ratchet.errors import Duplicate, Exhausted, Expired, Forged, Malformed, OutOfTurn
from talos_ratchet.keys import Entropy, KeyPair, check_point, make_key_pair
from talos_ratchet.late import LateKeys, Place, is_past
from talos_ratchet.opened import Leap, Opened, Turn
from talos_ratchet.suite import Suite

KIND_BASE: Final = 0x10  # Plus the lane's number: the first byte of a frame.
NONCE_SIZE: Final = 12  # Bytes.
TAG_SIZE: Final = 16
HEADER: Final = Struct(">32sIIHBQ")
BODY_AT: Final = 1 + NONCE_SIZE + HEADER.size + TAG_SIZE  # 80: where the sealed body begins.
OVERHEAD: Final = BODY_AT + TAG_SIZE  # 96 bytes more than the plaintext.
FRAME_SIZE_MAX: Final = 2**20  # Bytes.
PLAINTEXT_SIZE_MAX: Final = FRAME_SIZE_MAX - OVERHEAD
COUNTER_END: Final = 2**31  # Messages of one chain; 2**32 random nonces under one header key would be too many.
LEASE_EPOCH_BITS: Final = 64
OLD_CHAINS_MAX: Final = 5  # Earlier chains whose frames are still recognised; each costs a forgery one more trial.

FORGED_BODY: Final = "the header is authentic, the body is not"

OldChain = tuple[int, bytes, ChaCha20Poly1305]  # (number of the receiving chain, its header key 32, its cipher)


class Ratchet:
    """One lane of one session. Reads no clock; all randomness comes in with `seal`."""

    __slots__ = (
        "_kind",
        "_kind_byte",
        "_next_opener",
        "_opener",
        "_sealer",
        "ad",
        "chain",
        "changed",
        "lane",
        "late",
        "next_receive_header",
        "next_send_header",
        "old",
        "old_changed",
        "ours",
        "previous",
        "receive_header",
        "receive_key",
        "received",
        "root",
        "send_header",
        "send_key",
        "sent",
        "suite",
        "theirs",
        "turn_due",
        "version",
    )

    def __init__(self, suite: Suite, transcript: bytes, lane: int) -> None:
        """An empty lane: use `initiate` or `respond`, or fill it from stored rows and `refresh`."""
        self.suite = suite
        self.lane = lane
        self.ad = transcript + bytes([lane])
        self.root = b""
        self.ours: KeyPair | None = None
        self.theirs = b""  # The peer's ratchet key; empty before its first frame. So with all keys below.
        self.send_key = self.receive_key = b""  # Chain keys.
        self.send_header = self.receive_header = b""  # Header keys of the current chains, and
        self.next_send_header = self.next_receive_header = b""  # of those that the next turn begins.
        self.sent = self.received = 0  # Messages of the current chains: N of the next one.
        self.previous = 0  # PN: messages of the sending chain before.
        self.chain = 0  # Receiving chains so far.
        self.turn_due = False  # Our half of the turn is still to be made.
        self.late = LateKeys()
        self.old: list[OldChain] = []  # Newest first.
        self.changed = self.old_changed = True  # Since the rows were last written.
        self.version = 0  # Grows whenever what was opened before may no longer be taken.
        self._kind = KIND_BASE + lane
        self._kind_byte = bytes([self._kind])
        self._sealer: ChaCha20Poly1305 | None = None
        self._opener: ChaCha20Poly1305 | None = None
        self._next_opener: ChaCha20Poly1305 | None = None

    @classmethod
    def initiate(
        cls, suite: Suite, transcript: bytes, lane: int, seed: bytes, theirs: bytes, entropy: Entropy
    ) -> Ratchet:
        """Return the lane of the side that sends first, to the peer's ratchet key `theirs`.

        `seed` is root 32 | header key of the initiator's first chain 32 | of the responder's first chain 32.
        Raises `Malformed` for a bad key.
        """
        ratchet = cls(suite, transcript, lane)
        ratchet.theirs = check_point(theirs, "ratchet key")
        ratchet.root, ratchet.next_send_header, ratchet.next_receive_header = seed[:32], seed[32:64], seed[64:]
        ratchet.refresh()
        ratchet.turn(entropy)
        return ratchet

    @classmethod
    def respond(cls, suite: Suite, transcript: bytes, lane: int, seed: bytes, ours: KeyPair) -> Ratchet:
        """Return the lane of the side that must receive first, on its ratchet key pair `ours`."""
        ratchet = cls(suite, transcript, lane)
        ratchet.ours = ours
        ratchet.root, ratchet.next_receive_header, ratchet.next_send_header = seed[:32], seed[32:64], seed[64:]
        ratchet.refresh()
        return ratchet

    def refresh(self) -> None:
        """Make the header ciphers anew, after the header keys have changed."""
        make = self.suite.header_aead
        self._sealer = make(self.send_header) if self.send_header else None
        self._opener = make(self.receive_header) if self.receive_header else None
        self._next_opener = make(self.next_receive_header)

    @property
    def can_send(self) -> bool:
        return self.turn_due or bool(self.send_key)

    def turn(self, entropy: Entropy) -> None:
        """Begin a new sending chain under a fresh key pair: our half of a DH turn."""
        ours = make_key_pair(entropy)
        self.root, self.send_key, header = self.suite.turn(self.root, self.suite.agree(ours.secret, self.theirs))
        self.ours = ours
        self.send_header, self.next_send_header = self.next_send_header, header
        self.previous, self.sent = self.sent, 0
        self.turn_due = False
        self.changed = True
        self._sealer = self.suite.header_aead(self.send_header)

    def seal(self, plaintext: bytes, entropy: Entropy, lease_epoch: int) -> bytes:
        """Return the next frame. Raises `Malformed` (sizes), `OutOfTurn` or `Exhausted`."""
        if len(plaintext) > PLAINTEXT_SIZE_MAX or lease_epoch >> LEASE_EPOCH_BITS:  # Not 0 if negative, too.
            raise Malformed(f"{len(plaintext)} bytes under lease epoch {lease_epoch} do not fit a frame")
        if self.turn_due:
            self.turn(entropy)
        sealer, ours, sent = self._sealer, self.ours, self.sent
        if sealer is None or ours is None:
            raise OutOfTurn("nothing can be sent on this lane before the peer has sent on it")
        if sent >= COUNTER_END:
            raise Exhausted(f"{sent} messages are sent on one chain")
        message_key, next_key = self.suite.step(self.send_key)
        nonce = entropy(NONCE_SIZE)
        header = HEADER.pack(ours.public, self.previous, sent, 0, 0, lease_epoch)
        head = self._kind_byte + nonce + sealer.encrypt(nonce, header, self.ad)
        frame = head + self.suite.seal_aead(message_key).encrypt(nonce, plaintext, self.ad + head)
        self.send_key = next_key
        self.sent = sent + 1
        self.changed = True
        return frame

    def open(self, frame: bytes, now_ms: int) -> Opened:
        """Authenticate and decrypt one frame without changing anything.

        Raises `Malformed`, `Forged`, `Duplicate`, `Expired`, `TooFarAhead` or `Exhausted`.
        """
        if not OVERHEAD <= len(frame) <= FRAME_SIZE_MAX or frame[0] != self._kind:
            raise Malformed(f"{len(frame)} bytes are not a frame of lane {self.lane}")
        if self._opener is None:
            return self._open_elsewhere(frame, now_ms)
        head = frame[:BODY_AT]
        nonce = head[1:13]
        try:
            header = self._opener.decrypt(nonce, head[13:], self.ad)
        except InvalidTag:
            return self._open_elsewhere(frame, now_ms)
        public, _, number, pq_epoch, flags, lease_epoch = HEADER.unpack(header)
        if public != self.theirs or pq_epoch or flags:
            raise Malformed("a header names another ratchet key than its chain, or what suite 1 does not have")
        if number != self.received or self.late or number >= COUNTER_END:
            return self._open_in_chain(frame, number, lease_epoch, now_ms)
        message_key, next_key = self.suite.step(self.receive_key)
        try:
            plaintext = self.suite.open_aead(message_key).decrypt(nonce, frame[BODY_AT:], self.ad + head)
        except InvalidTag:
            raise Forged(FORGED_BODY) from None
        return Opened(plaintext, lease_epoch, self, next_key, number + 1, None)

    def take(self, opened: Opened) -> None:
        """Move on past an opened frame. Raises `OutOfTurn` if another was taken since it was opened."""
        if opened.ratchet is not self or opened.version != self.version:
            raise OutOfTurn("another frame was taken since this one was opened; open it again")
        if opened.leap is not None:
            self._leap(opened.leap)
        self.receive_key = opened.next_key
        self.received = opened.received
        self.version += 1
        self.changed = True

    def expire(self, now_ms: int) -> int:
        """Drop the kept keys that have outlived their time; return how many."""
        places = self.late.expired(now_ms)
        for place in places:
            self.late.drop(place)
        if places:
            self.version += 1  # An opened frame may count on a key that is gone now.
        return len(places)

    def _open_body(self, frame: bytes, message_key: bytes) -> bytes:
        try:
            return self.suite.open_aead(message_key).decrypt(frame[1:13], frame[BODY_AT:], self.ad + frame[:BODY_AT])
        except InvalidTag:
            raise Forged(FORGED_BODY) from None

    def _open_in_chain(self, frame: bytes, number: int, lease_epoch: int, now_ms: int) -> Opened:
        """Open message `number` of the current chain: late, next or ahead."""
        if number < self.received:
            return self._open_late(frame, (self.chain, number), lease_epoch, now_ms)
        check_counter(number)
        leap = Leap(now_ms, self.late.expired(now_ms))
        self.late.check_room((number - self.received,), leaving=len(leap.gone))
        key = self._pass_over(leap, self.chain, self.receive_key, self.received, number)
        message_key, next_key = self.suite.step(key)
        return Opened(self._open_body(frame, message_key), lease_epoch, self, next_key, number + 1, leap)

    def _open_late(self, frame: bytes, place: Place, lease_epoch: int, now_ms: int) -> Opened:
        """Open a message that was passed over, with the key kept for it."""
        kept = self.late.get(place)
        if kept is None:
            raise Duplicate(f"message {place[1]} of chain {place[0]} has no key (any more)")
        key, kept_ms = kept
        if is_past(kept_ms, now_ms):
            raise Expired(f"message {place[1]} of chain {place[0]} comes {now_ms - kept_ms} ms late")
        leap = Leap(now_ms, [*self.late.expired(now_ms), place])
        return Opened(self._open_body(frame, key), lease_epoch, self, self.receive_key, self.received, leap)

    def _open_elsewhere(self, frame: bytes, now_ms: int) -> Opened:
        """Open a frame whose header is not of the current chain: the next one, or an old one."""
        nonce, sealed = frame[1:13], frame[13:BODY_AT]
        if not self.turn_due and self._next_opener is not None:  # Before our turn the peer cannot have turned.
            try:
                header = self._next_opener.decrypt(nonce, sealed, self.ad)
            except InvalidTag:
                pass
            else:
                return self._open_turned(frame, header, now_ms)
        for chain, _, opener in self.old:
            try:
                header = opener.decrypt(nonce, sealed, self.ad)
            except InvalidTag:
                continue
            _, _, number, _, _, lease_epoch = HEADER.unpack(header)
            return self._open_late(frame, (chain, number), lease_epoch, now_ms)
        raise Forged("no header key fits")

    def _open_turned(self, frame: bytes, header: bytes, now_ms: int) -> Opened:
        """Open the first frame to arrive of the peer's next chain. All limits come before the DH."""
        public, previous, number, pq_epoch, flags, lease_epoch = HEADER.unpack(header)
        if pq_epoch or flags:
            raise Malformed("a header names what suite 1 does not have")
        if self.ours is None or (previous < self.received and self.receive_key):
            raise Malformed(f"a header says that its last chain had {previous} messages; we took {self.received}")
        check_counter(number)
        passed = previous - self.received if self.receive_key else 0
        leap = self._plan_turn(now_ms)
        self.late.check_room((passed, number), leaving=len(leap.gone))
        shared = self.suite.agree(self.ours.secret, check_point(public, "ratchet key"))
        root, first_key, next_header = self.suite.turn(self.root, shared)
        leap.turn = Turn(public, root, next_header)
        if passed:
            self._pass_over(leap, self.chain, self.receive_key, self.received, previous)
        key = self._pass_over(leap, self.chain + 1, first_key, 0, number)
        message_key, next_key = self.suite.step(key)
        return Opened(self._open_body(frame, message_key), lease_epoch, self, next_key, number + 1, leap)

    def _plan_turn(self, now_ms: int) -> Leap:
        """Return a leap that drops what has expired, and the keys of the chain that a turn pushes out."""
        leap = Leap(now_ms, self.late.expired(now_ms))
        if len(self.old) == OLD_CHAINS_MAX and self.late:
            expired = set(leap.gone)
            unread = [place for place in self.late.of_chain(self.old[-1][0]) if place not in expired]
            leap.gone += unread
            leap.unread = len(unread)
        return leap

    def _pass_over(self, leap: Leap, chain: int, key: bytes, number: int, until: int) -> bytes:
        """Put the keys of messages [number, until) of `chain` into `leap`; return the chain key at `until`."""
        for at in range(number, until):
            leap.passed[chain, at], key = self.suite.step(key)
        return key

    def _leap(self, leap: Leap) -> None:
        for place in leap.gone:
            self.late.drop(place)
        for place, key in leap.passed.items():
            self.late.put(place, key, leap.now_ms)
        turn = leap.turn
        if turn is None:
            return
        if self._opener is not None:
            self.old = [(self.chain, self.receive_header, self._opener), *self.old][:OLD_CHAINS_MAX]
            self.old_changed = True
        self.chain, self.theirs, self.root = self.chain + 1, turn.public, turn.root
        self.receive_header, self._opener = self.next_receive_header, self._next_opener
        self.next_receive_header = turn.next_header
        self._next_opener = self.suite.header_aead(turn.next_header)
        self.turn_due = True


def check_counter(number: int) -> None:
    if number >= COUNTER_END:
        raise Exhausted(f"message {number} is past the end of its chain")
