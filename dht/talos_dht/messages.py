"""What two nodes say to each other: a request, and its one reply, each in a datagram of its own.

    request   [1, kind, txid 8, token 0 or 8, serves, argument, padding]
    reply     [1, kind, txid 8, token 8, seen 18, [item, ...]]

Who sends it, the datagram's seal proves; that it hears what is sent to its address, the token of an earlier reply does.
Without one a request is padded, because no reply is longer than a request without proof. So whoever writes a third's
address on it has us send that no more than it sent; and a ping, to see who is there, to 32 such at a time at most. The
format is in docs/protocol/dht.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from talos_dht import codec
from talos_dht.contact import CONTACT_SIZE, ID_SIZE, PLACE_SIZE, Contact, read_contact
from talos_dht.errors import Malformed
from talos_dht.table import K

VERSION: Final = 1
DATAGRAM_MAX: Final = 1_200  # Bytes of UDP payload that every path takes whole: RFC 9000, section 14.
SEAL_SIZE: Final = 72  # Bytes: the sender's key 32, a nonce of 24 and a tag of 16.
BODY_MAX: Final = DATAGRAM_MAX - SEAL_SIZE  # Bytes of a request or reply. A full reply of contacts has 1,086.
TXID_SIZE: Final = 8  # Bytes that nobody guesses while the request is under way.
TOKEN_SIZE: Final = 8  # Bytes; one guess costs a datagram.
RECORD_SIZE_MAX: Final = 1_000  # Bytes of a record, as BEP 44 has it; with it a request and a reply fit.
PROVIDER_SIZE_MAX: Final = 220  # Bytes of a provider, which are at most 196 now.
PROVIDERS_PER_REPLY: Final = 4  # Of the 20 that a holder may have of one topic; each holder draws others.
PONG_SIZE: Final = 44  # Bytes of a reply without items: a ping is padded to it.


class Kind(IntEnum):
    """What is asked for."""

    PING = 1  # Are you there?
    FIND = 2  # Whom do you know near this target?
    GET = 3  # What do you hold at this target? If nothing: whom do you know near it?
    PUT_RECORD = 4  # Hold this record, at one of its three places.
    PUT_PROVIDER = 5  # Hold this provider of a topic.


class Answer(IntEnum):
    PONG = 17
    CONTACTS = 18
    RECORD = 19
    PROVIDERS = 20
    STORED = 21
    REFUSED = 22  # The item is one byte: the reason.


class Reason(IntEnum):
    """Why something was not done."""

    TOKEN = 1  # Its token does not count any more, or it is a PUT with none; the reply has one that does.
    BUSY = 2  # Too much was asked for from there, or by all together.
    OUTDATED = 3  # A newer one is held.
    NO_ROOM = 4
    BAD = 5  # It is malformed, forged, expired, or good for too long.
    KEY_LOG = 6  # Its key log is not known here yet. It is kept for a while, and stored when that has come.


_KINDS: Final = {int(kind): kind for kind in Kind}
_ANSWERS: Final = {int(answer): answer for answer in Answer}
_ARGUMENT: Final = {
    Kind.PING: range(1),
    Kind.FIND: range(ID_SIZE, ID_SIZE + 1),
    Kind.GET: range(ID_SIZE, ID_SIZE + 1),
    Kind.PUT_RECORD: range(1, RECORD_SIZE_MAX + 2),  # The salt, then the record.
    Kind.PUT_PROVIDER: range(PROVIDER_SIZE_MAX + 1),
}
_PADDED: Final = {Kind.PING: PONG_SIZE, Kind.FIND: BODY_MAX, Kind.GET: BODY_MAX}  # Nothing is stored without a token.
_ITEMS: Final = {  # How many, and how many bytes each.
    Answer.PONG: (0, 0, 0),
    Answer.CONTACTS: (K, CONTACT_SIZE, CONTACT_SIZE),
    Answer.RECORD: (1, 1, RECORD_SIZE_MAX),
    Answer.PROVIDERS: (PROVIDERS_PER_REPLY, 1, PROVIDER_SIZE_MAX),
    Answer.STORED: (0, 0, 0),
    Answer.REFUSED: (1, 1, 1),
}


class Request(NamedTuple):
    kind: Kind
    txid: bytes
    argument: bytes = b""
    token: bytes = b""  # As the last reply of the one who is asked had it; empty if there was none.
    serves: bool = True  # False: do not tell others of me, I cannot be reached.

    def encode(self) -> bytes:
        """Return its bytes, padded where there is no token, so that the reply fits; a ping always is."""
        raw = self._padded(0)
        if self.token and self.kind is not Kind.PING:
            return raw
        room = _PADDED.get(self.kind, 0) - len(raw)
        return self._padded(room - (room > 255)) if room > 0 else raw  # A longer padding has a longer header.

    def _padded(self, padding: int) -> bytes:
        fields = (VERSION, int(self.kind), self.txid, self.token, self.serves, self.argument)
        return codec.pack(*fields, bytes(padding))

    @classmethod
    def decode(cls, raw: bytes) -> Request:
        """Raises `Malformed`."""
        fields = codec.array(raw, length=7, size_max=BODY_MAX, field="request")
        version, kind, txid, token, serves, argument, padding = fields
        codec.integer(version, least=VERSION, most=VERSION, field="version")
        asked = _KINDS[codec.integer(kind, least=Kind.PING, most=Kind.PUT_PROVIDER, field="kind")]
        sizes = _ARGUMENT[asked]
        zeroes = codec.octets(padding, most=BODY_MAX, field="padding")
        if zeroes != bytes(len(zeroes)):
            raise Malformed("padding: not zero")
        proof = codec.octets(token, most=TOKEN_SIZE, field="token")
        if len(proof) not in (0, TOKEN_SIZE):
            raise Malformed(f"token: neither empty nor {TOKEN_SIZE} bytes")
        return cls(
            asked,
            codec.octets(txid, length=TXID_SIZE, field="txid"),
            codec.octets(argument, least=sizes.start, most=sizes.stop - 1, field="argument"),
            proof,
            codec.flag(serves, field="serves"),
        )


class Reply(NamedTuple):
    kind: Answer
    txid: bytes  # Of the request.
    token: bytes
    seen: bytes  # Address and port that the request came from: 18 bytes.
    items: Sequence[bytes] = ()

    def encode(self, size_max: int = BODY_MAX) -> bytes | None:
        """Return its bytes with as many items as `size_max` leaves room for; None if not even none fits."""
        fields = (VERSION, int(self.kind), self.txid, self.token, self.seen)
        raw = codec.pack(*fields, self.items)
        if len(raw) <= size_max:
            return raw
        return self._replace(items=self.items[:-1]).encode(size_max) if len(self.items) > 1 else None

    @classmethod
    def decode(cls, raw: bytes) -> Reply:
        """Raises `Malformed`."""
        fields = codec.array(raw, length=6, size_max=BODY_MAX, field="reply")
        version, kind, txid, token, seen, items = fields
        codec.integer(version, least=VERSION, most=VERSION, field="version")
        answer = _ANSWERS[codec.integer(kind, least=Answer.PONG, most=Answer.REFUSED, field="kind")]
        count, least, most = _ITEMS[answer]
        exactly = count if answer in (Answer.RECORD, Answer.REFUSED) else 0
        return cls(
            answer,
            codec.octets(txid, length=TXID_SIZE, field="txid"),
            codec.octets(token, length=TOKEN_SIZE, field="token"),
            codec.octets(seen, length=PLACE_SIZE, field="seen"),
            codec.each_octets(items, count_least=exactly, count_most=count, field="items", least=least, most=most),
        )

    @property
    def contacts(self) -> list[Contact]:
        """The contacts told of, without those where no node can be."""
        if self.kind is not Answer.CONTACTS:
            return []
        try:
            return [*map(read_contact, self.items)]
        except Malformed:  # One bad contact among good ones is no reason to lose those.
            return [contact for item in self.items if (contact := _contact(item))]

    @property
    def reason(self) -> int:
        """Why it was refused: a `Reason`, or a number of a version to come."""
        return self.items[0][0] if self.kind is Answer.REFUSED else 0


def is_reply(raw: bytes) -> bool:
    """Say whether it can only be a reply, by the byte of its kind."""
    return len(raw) > 2 and raw[2] >= Answer.PONG


def txid_of(raw: bytes) -> bytes:
    """Return what stands where a reply has its number: a look before anything is decoded."""
    return raw[5 : 5 + TXID_SIZE]


def token_of(raw: bytes) -> bytes:
    """Return what stands where a request has its token, or nothing: the same look."""
    at = 5 + TXID_SIZE + 2
    return raw[at : at + TOKEN_SIZE] if raw[at - 2 : at] == bytes([0xC4, TOKEN_SIZE]) else b""


def _contact(raw: bytes) -> Contact | None:
    try:
        return read_contact(raw)
    except Malformed:
        return None
