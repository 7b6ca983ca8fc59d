"""What two nodes say before a ratchet frame has bound their link, one typed value per greeting.

    dialler                                   responder
    FETCH (in the clear)                 ->
                                         <-   CARD: key log, party record, bundle
    HELLO: Resume | Ask                  ->
                                         <-   a control frame | Offered | NoSession | Refusal
    Ask (after NoSession)                ->
    Open: the handshake's opening        ->
                                         <-   a control frame | Refusal
    a control frame: the link is bound   ->

With a relay, before all of that, on a stream of its own from each of the two who are to be joined:

    HELLO: Through | Join                ->
                                         <-   Joined | Refusal

With whoever holds statements for the DHT:

    HELLO: Show                          ->
                                         <-   Wanted | Refusal
    Log                                  ->
                                         <-   Taken | Refusal

The responder binds on that last frame alone: what came before it may be a recording.

All are canonical msgpack arrays [version, kind, ...], sealed in the HELLO channel, save FETCH and CARD.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final

from talos.core import codec
from talos.core.frames import CARD_SIZE_MAX, GREETING_SIZE_MAX
from talos.core.reservations import TOKEN_SIZE
from talos.errors import MalformedMessage

VERSION: Final = 1
LABEL_NO_SESSION: Final = b"talos/v1/no-session"
PARTY_SIZE_MAX: Final = 512  # Bytes of a party record.
BUNDLE_SIZE_MAX: Final = 2048  # Bytes: X25519 and ML-KEM-1024 prekeys, names and a signature are 1.75 kB.
OPENING_SIZE_MAX: Final = 4096
KEY_LOG_SIZE_MAX: Final = 8 * 1024
RESUME_FRAME_MAX: Final = 1024  # Bytes: a resuming control frame carries marks, nothing else.
FETCH_SIZE_MAX: Final = 64


class Word(IntEnum):
    """The second element of every greeting."""

    RESUME = 1
    ASK = 2
    OFFERED = 3
    OPEN = 4
    NO_SESSION = 5
    REFUSAL = 6
    THROUGH = 7
    JOIN = 8
    JOINED = 9
    SHOW = 10
    WANTED = 11
    LOG = 12
    TAKEN = 13


class Reason(IntEnum):
    """Why a node will not talk."""

    BUSY = 1  # Too many links or handshakes now; try later.
    NOT_ACCEPTED = 2  # The party record does not hold against its key log, or is not welcome here.
    HANDSHAKE = 3  # The opening did not authenticate: stale prekeys, or forged.
    NO_WAY = 4  # A relay has no way to who is wanted, or nobody waits for who came, or for what is shown.


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask for a card. `did` (32 bytes) if the dialler knows whom it wants, else empty."""

    did: bytes

    def encode(self) -> bytes:
        return codec.pack(VERSION, self.did)

    @classmethod
    def decode(cls, raw: bytes) -> Fetch:
        version, did = codec.array(raw, length=2, size_max=FETCH_SIZE_MAX)
        codec.integer(version, least=VERSION, most=VERSION, field="version")
        did = codec.octets(did, least=0, most=32, field="did")
        if len(did) not in (0, 32):
            raise MalformedMessage("did must be 0 or 32 bytes")
        return cls(did)


@dataclass(frozen=True, slots=True)
class Card:
    """Who answers at an address; each part is signed, so the clear channel can only withhold it."""

    key_log: bytes
    party: bytes
    bundle: bytes

    def encode(self) -> bytes:
        return codec.pack(VERSION, self.key_log, self.party, self.bundle)

    @classmethod
    def decode(cls, raw: bytes) -> Card:
        version, key_log, party, bundle = codec.array(raw, length=4, size_max=CARD_SIZE_MAX)
        codec.integer(version, least=VERSION, most=VERSION, field="version")
        return cls(
            key_log=codec.octets(key_log, least=1, most=KEY_LOG_SIZE_MAX, field="key_log"),
            party=codec.octets(party, least=1, most=PARTY_SIZE_MAX, field="party"),
            bundle=codec.octets(bundle, least=1, most=BUNDLE_SIZE_MAX, field="bundle"),
        )


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with a session. `frame` is a fresh control frame of it; `did` is the dialler's DID hash."""

    did: bytes  # 32 bytes.
    session_id: bytes  # 16 bytes.
    frame: bytes

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.RESUME, self.did, self.session_id, self.frame)


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for an offer, to open a new session. The party record is a claim until the opening proves it."""

    party: bytes

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.ASK, self.party)


@dataclass(frozen=True, slots=True)
class Offered:
    """What an opening needs. `offer` is empty when the pool is: then the last-resort prekey serves."""

    party: bytes
    bundle: bytes
    offer: bytes

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.OFFERED, self.party, self.bundle, self.offer)


@dataclass(frozen=True, slots=True)
class Open:
    """The handshake's opening, and the dialler's key log, by which its party record is checked."""

    opening: bytes
    key_log: bytes

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.OPEN, self.opening, self.key_log)


@dataclass(frozen=True, slots=True)
class NoSession:
    """Signed: "I have no session in which I could open this frame", so the dialler may drop its own."""

    signature: bytes

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.NO_SESSION, self.signature)

    @staticmethod
    def body(*, ours: bytes, theirs: bytes, link_nonce: bytes, frame: bytes) -> bytes:
        """Return what is signed behind LABEL_NO_SESSION.

        `ours` is the signer's instance id, `theirs` the dialler's DID hash, `frame` the refused one.
        """
        return codec.pack(VERSION, ours, theirs, link_nonce, sha256(frame).digest())


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: Reason

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.REFUSAL, self.reason)


@dataclass(frozen=True, slots=True)
class Through:
    """To a relay: join this stream to one of whom I want. Its DID hash, 32 bytes."""

    did: bytes

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.THROUGH, self.did)


@dataclass(frozen=True, slots=True)
class Join:
    """To a relay: here I am, whom you have told this token of."""

    token: bytes  # 16 bytes.

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.JOIN, self.token)


@dataclass(frozen=True, slots=True)
class Joined:
    """From a relay: what you say from now on is heard by the other, and by me only as bytes."""

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.JOINED)


@dataclass(frozen=True, slots=True)
class Show:
    """Offer a key log, without which what this identity has signed cannot be held. Its DID hash, 32 bytes."""

    did: bytes

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.SHOW, self.did)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something waits here for that key log: show it."""

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.WANTED)


@dataclass(frozen=True, slots=True)
class Log:
    key_log: bytes

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.LOG, self.key_log)


@dataclass(frozen=True, slots=True)
class Taken:
    """The key log was verified; what waited for it has been looked at."""

    def encode(self) -> bytes:
        return codec.pack(VERSION, Word.TAKEN)


Greeting = Resume | Ask | Offered | Open | NoSession | Refusal | Through | Join | Joined | Show | Wanted | Log | Taken


def decode(raw: bytes) -> Greeting:
    """Return the greeting in `raw`. Raises `MalformedMessage`, naming the first field that is wrong."""
    fields = codec.array(raw, length=range(2, 7), size_max=GREETING_SIZE_MAX)
    codec.integer(fields[0], least=VERSION, most=VERSION, field="version")
    word = codec.integer(fields[1], least=min(Word), most=max(Word), field="word")
    rest = fields[2:]
    if len(rest) != _FIELDS[Word(word)]:
        raise MalformedMessage(f"a greeting {Word(word).name} has {_FIELDS[Word(word)]} fields")
    match Word(word):
        case Word.RESUME:
            return Resume(
                codec.octets(rest[0], length=32, field="did"),
                codec.octets(rest[1], length=16, field="session_id"),
                codec.octets(rest[2], least=1, most=RESUME_FRAME_MAX, field="frame"),
            )
        case Word.ASK:
            return Ask(codec.octets(rest[0], least=1, most=PARTY_SIZE_MAX, field="party"))
        case Word.OFFERED:
            return Offered(
                codec.octets(rest[0], least=1, most=PARTY_SIZE_MAX, field="party"),
                codec.octets(rest[1], least=1, most=BUNDLE_SIZE_MAX, field="bundle"),
                codec.octets(rest[2], least=0, most=BUNDLE_SIZE_MAX, field="offer"),
            )
        case Word.OPEN:
            return Open(
                codec.octets(rest[0], least=1, most=OPENING_SIZE_MAX, field="opening"),
                codec.octets(rest[1], least=1, most=KEY_LOG_SIZE_MAX, field="key_log"),
            )
        case Word.NO_SESSION:
            return NoSession(codec.octets(rest[0], length=64, field="signature"))
        case Word.REFUSAL:
            return Refusal(Reason(codec.integer(rest[0], least=min(Reason), most=max(Reason), field="reason")))
        case Word.THROUGH:
            return Through(codec.octets(rest[0], length=32, field="did"))
        case Word.JOIN:
            return Join(codec.octets(rest[0], length=TOKEN_SIZE, field="token"))
        case Word.JOINED:
            return Joined()
        case Word.SHOW:
            return Show(codec.octets(rest[0], length=32, field="did"))
        case Word.WANTED:
            return Wanted()
        case Word.LOG:
            return Log(codec.octets(rest[0], least=1, most=KEY_LOG_SIZE_MAX, field="key_log"))
        case Word.TAKEN:
            return Taken()


_FIELDS: Final = {
    Word.RESUME: 3,
    Word.ASK: 1,
    Word.OFFERED: 3,
    Word.OPEN: 2,
    Word.NO_SESSION: 1,
    Word.REFUSAL: 1,
    Word.THROUGH: 1,
    Word.JOIN: 1,
    Word.JOINED: 0,
    Word.SHOW: 1,
    Word.WANTED: 0,
    Word.LOG: 1,
    Word.TAKEN: 0,
}
