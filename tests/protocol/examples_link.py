"""The examples of link.md and content.md."""

from __future__ import annotations

from talos.core import codec, content
from talos.core.channel import Channel
from talos.core.frames import Kind, wrap
from talos.core.greeting import (
    LABEL_NO_SESSION,
    Ask,
    Card,
    Fetch,
    Greeting,
    Join,
    Joined,
    Log,
    NoSession,
    Offered,
    Open,
    Reason,
    Refusal,
    Resume,
    Show,
    Taken,
    Through,
    Wanted,
    Word,
)
from talos_ratchet import Lane
from tests.protocol.cast import ADA, BOB, PANTRY, drawn, secret
from tests.protocol.layout import Example, Piece, cut, fields, referring
from tests.protocol.meeting import ADA_ORIGIN, BOB_ORIGIN, GREETING, MEETING

REQUEST_ID = 3


def known() -> dict[str, bytes]:
    """Return what greetings are made of, by the names of its examples."""
    return {
        "bob-key-log": BOB.key_log.encode(),
        "bob-party": BOB.party.encode(),
        "bob-bundle": PANTRY.raw_bundle,
        "bob-offer": PANTRY.raw_offer,
        "ada-key-log": ADA.key_log.encode(),
        "ada-party": ADA.party.encode(),
        "opening": MEETING.opening,
    }


def resuming() -> dict[str, Example]:
    """A link on which Ada resumes, and Bob has lost the session: what one says hangs on what the other said."""
    marks = content.Marks(ADA_ORIGIN, BOB_ORIGIN, 0).encode()
    frame = MEETING.ada.seal(Lane.CONTROL, marks, entropy=drawn("nonce resume"))
    resume = Resume(ADA.did, MEETING.ada.id, frame).encode()
    dialler = Channel.dial(BOB.pair.public, drawn("ada hello", "nonce hello", "nonce ask"))
    hello = dialler.ephemeral + dialler.seal(resume)
    responder, _ = Channel.answer(hello, BOB.pair.secret, drawn("nonce no session"))
    lost = NoSession.body(ours=BOB.party.instance, theirs=ADA.did, link_nonce=responder.ephemeral, frame=frame)
    no_session = NoSession(BOB.sign(codec.signed(LABEL_NO_SESSION, lost))).encode()
    sealed, ask = responder.seal(no_session), Ask(ADA.party.encode()).encode()
    dialler.open(sealed)
    told = ["version", "Bob's instance id", "Ada's DID hash", "ephemeral", "SHA-256 of the frame in greeting-resume"]
    said = ["version", "word: RESUME", "did: Ada's DID hash", "session_id", "frame"]
    return {
        "greeting-resume": fields(resume, "", said),
        "frame-hello": [
            *_head(Kind.HELLO, hello),
            Piece(hello[:32], "ephemeral: of the secret `ada hello`"),
            *_sealed(hello[32:], "nonce hello", "greeting-resume"),
        ],
        "no-session-body": fields(lost, "", told),
        "greeting-no-session": fields(no_session, "", ["version", "word: NO_SESSION", "signature"]),
        "frame-no-session": [
            *_head(Kind.SEALED, sealed),
            *_sealed(sealed, "nonce no session", "greeting-no-session"),
        ],
        "greeting-ask": referring(fields(ask, "", ["version", "word: ASK", "party"]), known()),
        "frame-ask": [
            *_head(Kind.SEALED, again := dialler.seal(ask)),
            *_sealed(again, "nonce ask", "greeting-ask"),
        ],
    }


def greetings() -> dict[str, Example]:
    """The others, before they are sealed."""
    parts = known()
    offered = Offered(parts["bob-party"], PANTRY.raw_bundle, PANTRY.raw_offer).encode()
    opening = Open(MEETING.opening, parts["ada-key-log"]).encode()
    refusal = Refusal(Reason.BUSY).encode()
    return {
        "greeting-offered": referring(
            fields(offered, "", ["version", "word: OFFERED", "party", "bundle", "offer"]), parts
        ),
        "greeting-open": referring(fields(opening, "", ["version", "word: OPEN", "opening", "key_log"]), parts),
        "greeting-refusal": fields(refusal, "", ["version", "word: REFUSAL", "reason: BUSY"]),
        **short_greetings(),
        "greeting-log": referring(
            fields(Log(parts["ada-key-log"]).encode(), "", ["version", "word: LOG", "key_log"]), parts
        ),
    }


def short_greetings() -> dict[str, Example]:
    """To and from a relay, and those who hold statements."""
    said: dict[Word, tuple[Greeting, list[str]]] = {
        Word.THROUGH: (Through(BOB.did), ["did: Bob's DID hash"]),
        Word.JOIN: (Join(secret("relay token")[:16]), ["token: the first half of the secret `relay token`"]),
        Word.JOINED: (Joined(), []),
        Word.SHOW: (Show(ADA.did), ["did: Ada's DID hash"]),
        Word.WANTED: (Wanted(), []),
        Word.TAKEN: (Taken(), []),
    }
    return {
        f"greeting-{word.name.lower()}": fields(value.encode(), "", ["version", f"word: {word.name}", *notes])
        for word, (value, notes) in said.items()
    }


def link() -> dict[str, Example]:
    parts = known()
    fetch = Fetch(BOB.did).encode()
    card = Card(parts["bob-key-log"], parts["bob-party"], PANTRY.raw_bundle).encode()
    card_fields = fields(card, "", ["version", "key_log", "party", "bundle"])
    return {
        "frame-fetch": [*_head(Kind.FETCH, fetch), *fields(fetch, "", ["version", "did: Bob's DID hash"])],
        "frame-card": [*_head(Kind.CARD, card), *referring(card_fields, parts)],
        **resuming(),
        **greetings(),
    }


def _head(kind: Kind, body: bytes) -> list[Piece]:
    return cut(wrap(bytes([kind]) + body)[:5], (4, "length"), (1, f"kind: {kind.name}"))


def _sealed(sealed: bytes, nonce: str, greeting: str) -> list[Piece]:
    return cut(sealed, (12, f"nonce: the secret `{nonce}`"), (len(sealed) - 12, f"sealed: {greeting}"))


def contents() -> dict[str, Example]:
    """One plaintext of every kind."""
    marks = content.Marks(ADA_ORIGIN, BOB_ORIGIN, 5)
    named = "answers: SHA-256 of"
    said: list[tuple[content.Content, list[str]]] = [
        (
            MEETING.welcome,
            ["lane_keys", "origin: the secret `bob origin`", "acked_origin: none", "high", f"{named} opening"],
        ),
        (
            marks,
            ["origin: the secret `ada origin`", "acked_origin: the secret `bob origin`", "high", "answers: nothing"],
        ),
        (MEETING.proof, [f"{named} frame-welcome"]),
        (content.Ack(ADA_ORIGIN, 1), ["origin", "high"]),
        (content.Want(ADA_ORIGIN, 300, reseal=True), ["origin", "seq", "reseal"]),
        (content.Busy(ADA_ORIGIN, 2), ["origin", "seq"]),
        (content.Ping(), []),
        (content.Pong(), []),
        (content.GoAway(), []),
        (content.OpenContent(), []),
        (content.Request(REQUEST_ID, 1, b""), ["id", "type: KEY_LOG", "body: empty"]),
        (content.Reply(REQUEST_ID, content.Status.OK, b"short"), ["id", "status: OK", "body"]),
        (content.Cancel(REQUEST_ID), ["id"]),
        (content.Piece(REQUEST_ID, last=True, data=b"the end"), ["id", "last", "data"]),
    ]
    examples = dict[str, Example]()
    for value, notes in said:
        raw = value.encode()
        kind = content.ContentKind(raw[0])
        rest = fields(raw[1:], "", notes) if notes else []
        examples[f"content-{kind.name.lower()}"] = [Piece(raw[:1], f"kind: {kind.name}"), *rest]
    message = content.MessageContent(ADA_ORIGIN, 1, GREETING).encode()
    examples["content-message"] = cut(
        message, (1, "kind: MESSAGE"), (16, "origin"), (8, "seq"), (len(GREETING), 'body: "good morning"')
    )
    void = content.VoidContent(ADA_ORIGIN, 2, 3).encode()
    examples["content-void"] = cut(void, (1, "kind: VOID"), (16, "origin"), (8, "seq: the first"), (4, "count"))
    return examples
