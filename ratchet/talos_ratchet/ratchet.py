"""One lane: a Double Ratchet with header encryption. Opening a frame changes nothing; taking it does.

Which header key fits a frame is found first (`live`, then those of `old`), for all lanes that it may be of.

Our half of a DH turn is made when next we send: no key of ours is older than it has to be.

Source: Signal, "The Double Ratchet Algorithm", sections 2.3 to 2.6, 4 (header encryption) and 8.5.
"""

from __future__ import annotations

from talos_ratchet.chain import Chain
from talos_ratchet.checked import Trial
from talos_ratchet.errors import Exhausted, Forged, Malformed, OutOfTurn
from talos_ratchet.frame import (
    BODY_AT,
    COUNTER_END,
    HEADER,
    KIND_BASE,
    LEASE_EPOCH_BITS,
    NONCE_SIZE,
    PLAINTEXT_SIZE_MAX,
)
from talos_ratchet.keys import Entropy, KeyPair, check_point, make_key_pair
from talos_ratchet.late import LATE_KEYS_MAX, LateKeys
from talos_ratchet.opened import Leap, Opened
from talos_ratchet.receive import FORGED_BODY, OLD_CHAINS_MAX, open_in_chain, open_turned
from talos_ratchet.suite import Sealer, Suite

OldChain = tuple[int, bytes]  # (number of the receiving chain, its header key 32)


class Ratchet:
    """One lane of one session. Reads no clock; all randomness comes in with `seal`."""

    __slots__ = (
        "_kind_byte",
        "ad",
        "chain",
        "changed",
        "ended",
        "lane",
        "late",
        "live",
        "next_receive_header",
        "next_send_header",
        "old",
        "old_changed",
        "ours",
        "previous",
        "receive_header",
        "receiving",
        "root",
        "sealer",
        "send_header",
        "sending",
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
        self.sending: Chain | None = None
        self.receiving: Chain | None = None
        self.send_header = self.receive_header = b""  # Header keys of the current chains, and
        self.next_send_header = self.next_receive_header = b""  # of those that the next turn begins.
        self.previous = 0  # PN: messages of the sending chain before.
        self.chain = 0  # Receiving chains so far.
        self.ended = 0  # Frames of the chains that have ended, both ways.
        self.turn_due = False  # Our half of the turn is still to be made.
        self.late = LateKeys()
        self.old: list[OldChain] = []  # Newest first.
        self.changed = self.old_changed = True  # Since the rows were last written.
        self.version = 0  # Grows whenever what was opened before may no longer be taken.
        self._kind_byte = bytes([KIND_BASE + lane])
        self.sealer: Sealer | None = None  # Of headers.
        self.live: list[Trial] = []  # Header keys that the peer may be using: of its current chain, of the next.

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
        """Note what follows from the header keys, after they have changed."""
        self.sealer = self.suite.header_aead(self.send_header) if self.send_header else None
        self._watch()

    def _watch(self) -> None:
        """Note which header keys the peer may be using: it cannot have turned again before we have."""
        self.live = [] if self.receiving is None else [(self.receive_header, self.ad)]
        if not self.turn_due:
            self.live.append((self.next_receive_header, self.ad))

    @property
    def can_send(self) -> bool:
        return self.turn_due or self.sending is not None

    @property
    def frames(self) -> int:
        """How many frames the lane has had, both ways; those that never came are counted too."""
        sent = 0 if self.sending is None else self.sending.number
        return self.ended + sent + (0 if self.receiving is None else self.receiving.number)

    def turn(self, entropy: Entropy) -> None:
        """Begin a new sending chain under a fresh key pair: our half of a DH turn."""
        ours = make_key_pair(entropy)
        self.root, key, header = self.suite.turn(self.root, self.suite.agree(ours.secret, self.theirs))
        self.ours = ours
        self.send_header, self.next_send_header = self.next_send_header, header
        self.previous = 0 if self.sending is None else self.sending.number
        self.ended += self.previous
        self.sending = Chain(self.suite, key)
        self.turn_due = False
        self.changed = True
        self.sealer = self.suite.header_aead(self.send_header)
        self._watch()

    def seal(self, plaintext: bytes, entropy: Entropy, lease_epoch: int) -> bytes:
        """Return the next frame. Raises `Malformed` (sizes), `OutOfTurn` or `Exhausted`."""
        if len(plaintext) > PLAINTEXT_SIZE_MAX or lease_epoch >> LEASE_EPOCH_BITS:  # Not 0 if negative, too.
            raise Malformed(f"{len(plaintext)} bytes under lease epoch {lease_epoch} do not fit a frame")
        if self.turn_due:
            self.turn(entropy)
        sealer, ours, chain = self.sealer, self.ours, self.sending
        if sealer is None or ours is None or chain is None:
            raise OutOfTurn("nothing can be sent on this lane before the peer has sent on it")
        number = chain.number
        if number >= COUNTER_END:
            raise Exhausted(f"{number} messages are sent on one chain")
        nonce, ad = entropy(NONCE_SIZE), self.ad
        header = HEADER.pack(ours.public, self.previous, number, 0, 0, lease_epoch)
        head = self._kind_byte + nonce + sealer.encrypt(nonce, header, ad)
        frame = head + self.suite.seal_aead(chain.message_key()).encrypt(nonce, plaintext, ad + head)
        chain.advance()
        self.changed = True
        return frame

    def open(self, frame: bytes, which: int, header: bytes, now_ms: int) -> Opened:
        """Authenticate and decrypt a frame whose `header` the key `live[which]` has opened, changing nothing.

        Raises `Malformed`, `Forged`, `Duplicate`, `Expired`, `TooFarAhead` or `Exhausted`.
        """
        chain = self.receiving
        if which or chain is None:
            return open_turned(self, frame, header, now_ms)
        public, _, number, pq_epoch, flags, lease_epoch = HEADER.unpack(header)
        if public != self.theirs or pq_epoch or flags:
            raise Malformed("a header names another ratchet key than its chain, or what suite 1 does not have")
        if number != chain.number or self.late.kept or number >= COUNTER_END:
            return open_in_chain(self, chain, frame, number, lease_epoch, now_ms)
        head = frame[:BODY_AT]
        cipher = self.suite.open_aead(chain.message_key())
        plaintext = cipher.decrypt(head[1:13], frame[BODY_AT:], self.ad + head)
        if plaintext is None:
            raise Forged(FORGED_BODY)
        return Opened(plaintext, lease_epoch, self, None)

    def take(self, opened: Opened, late_max: int = LATE_KEYS_MAX) -> None:
        """Move on past an opened frame. Raises `OutOfTurn` if another was taken since it was opened.

        If it passes over others, no more than `late_max` late keys are kept then, the newest.
        """
        if opened.ratchet is not self or opened.version != self.version:
            raise OutOfTurn("another frame was taken since this one was opened; open it again")
        if opened.leap is not None:
            self._leap(opened.leap, late_max)
        elif self.receiving is not None:
            self.receiving.advance()
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

    def _leap(self, leap: Leap, late_max: int) -> None:
        for place in leap.gone:
            self.late.drop(place)
        if leap.passed:
            self.late.put(leap.passed, leap.now_ms, late_max)
        turn = leap.turn
        if turn is not None:
            self.ended += turn.previous
        if leap.chain is not None:
            self.receiving = leap.chain
        if turn is None:
            return
        if self.receive_header:
            self.old = [(self.chain, self.receive_header), *self.old][:OLD_CHAINS_MAX]
            self.old_changed = True
        self.chain, self.theirs, self.root = self.chain + 1, turn.public, turn.root
        self.receive_header, self.next_receive_header = self.next_receive_header, turn.next_header
        self.turn_due = True
        self._watch()
