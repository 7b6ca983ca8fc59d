"""The worked examples of docs/protocol: made again byte for byte, and read from the pages by the real decoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pytest

from talos.control.protocol import Request, decode_line
from talos.core import codec, greeting
from talos.core.beacon import Beacon
from talos.core.channel import Channel
from talos.core.content_read import decode_bulk, decode_control, decode_message
from talos.core.entries import Leaf, Opened
from talos.core.entry_types import EntryType, check_body
from talos.core.frames import FrameReader, Kind
from talos.core.keylog import KeyLog
from talos.core.keylog_event import read_body
from talos.core.keylog_kinds import Signature
from talos.core.log_card import LogCard
from talos.core.names import did_of
from talos.core.party import Party, check_party
from talos.core.proof_file import Proof, check_proof
from talos.core.vault import Vault
from talos.errors import Damaged
from talos_audit import (
    AuditError,
    Checkpoint,
    TlogProof,
    VerifierKey,
    leaf_hash,
    open_checkpoint,
    parse_bundle,
    verify_tiles,
)
from talos_dht import Contact, DhtError, Provider, Record, Reply, check
from talos_dht import Request as DhtRequest
from talos_ratchet import Lane, Prekeys, RatchetError, accept, read_bundle, read_offer, read_opening
from tests.protocol.cast import ADA, BOB, NOW_MS, PANTRY, drawn, secret
from tests.protocol.examples import examples
from tests.protocol.layout import BLOCK, Shown, Text, pages, render, rendered, whole
from tests.protocol.meeting import answer, knock

SHOWN: Final = Shown()
SIGNATURE: Final = Signature(b"", bytes(64))
FIXARRAYS: Final = [bytes([0x90 + count]) for count in range(16)]
REFUSED: Final = (Damaged, RatchetError, AuditError, DhtError)


def party(person_log: str) -> Callable[[bytes], object]:
    return lambda raw: check_party(Party.decode(raw), KeyLog.decode_and_verify(SHOWN[person_log]), NOW_MS)


def sealed_row(raw: bytes) -> object:
    place = (2).to_bytes(8, "big") + leaf_hash(SHOWN["audit-leaf"])
    return Opened.decode(Vault({1: secret("ada storage key")}, 1).box("bodies").open(place, raw))


def proof(raw: bytes) -> object:
    return check_proof(Proof.decode(raw.decode()), checkpoint(SHOWN["audit-checkpoint"]).root)


def vkey() -> VerifierKey:
    return VerifierKey.parse(SHOWN.text("audit-vkey").removesuffix("\n"))


def checkpoint(raw: bytes) -> Checkpoint:
    return open_checkpoint(raw, vkey())


def log_head(raw: bytes) -> object:
    card, note = codec.array(raw, length=2, size_max=len(raw))
    LogCard.decode(codec.octets(card, field="card")).check(ADA.key_log)
    return checkpoint(codec.octets(note, field="checkpoint"))


def bob_key(did: bytes, log_seq: int, log_digest: bytes) -> bytes | None:
    return BOB.key_log.key_at(log_seq, log_digest) if did == BOB.did else None


CONTROL: Final = (
    "welcome",
    "marks",
    "proof",
    "ack",
    "want",
    "busy",
    "ping",
    "pong",
    "goaway",
    "request",
    "reply",
    "cancel",
)
# What takes no byte more and no byte less.
STRICT: Final[Mapping[str, Callable[[bytes], object]]] = {
    "inception": lambda raw: read_body(raw, (SIGNATURE,)),
    "instance": lambda raw: read_body(raw, (SIGNATURE,)),
    "ada-key-log": KeyLog.decode_and_verify,
    "bob-key-log": KeyLog.decode_and_verify,
    "ada-party": party("ada-key-log"),
    "bob-party": party("bob-key-log"),
    "bob-bundle": lambda raw: read_bundle(raw, now_ms=NOW_MS),
    "bob-offer": lambda raw: read_offer(raw, signer=BOB.ed25519, requester=ADA.did, now_ms=NOW_MS),
    "opening": lambda raw: accept(
        read_opening(raw),
        pair=BOB.pair,
        party=SHOWN["bob-party"],
        peer_agreement=ADA.pair.public,
        prekeys=Prekeys(PANTRY.signed, PANTRY.one_time, PANTRY.one_time_kem),
        entropy=drawn("bob control 1"),
        now_ms=NOW_MS,
    ),
    **{f"greeting-{word.name.lower().replace('_', '-')}": greeting.decode for word in greeting.Word},
    "content-void": decode_message,
    "content-open": decode_message,
    "content-piece": decode_bulk,
    **{f"content-{name}": decode_control for name in CONTROL},
    "audit-leaf": Leaf.decode,
    "audit-body": lambda raw: check_body(EntryType.MESSAGE, raw),
    "audit-sealed-row": sealed_row,
    "audit-refusal-body": lambda raw: check_body(EntryType.SIGNATURE_FAILURE, raw),
    "audit-bundle": parse_bundle,
    "audit-card": lambda raw: LogCard.decode(raw).check(ADA.key_log),
    "audit-checkpoint": checkpoint,
    "audit-proof": proof,
    "audit-log-head": log_head,
    "dht-record": lambda raw: check(Record.decode(raw), bob_key, NOW_MS),
    "dht-provider": lambda raw: check(Provider.decode(raw), bob_key, NOW_MS),
    "dht-contact": Contact,
    "dht-ping": DhtRequest.decode,
    "dht-find": DhtRequest.decode,
    "dht-contacts": Reply.decode,
    "lan-beacon": Beacon.read,
}
# Whose last field takes whatever is left.
OPEN_ENDED: Final[Mapping[str, Callable[[bytes], object]]] = {
    "content-message": decode_message,
    "audit-body-row": Opened.decode,
}
ARRAYS: Final = sorted(name for name in STRICT if SHOWN[name][name.startswith("content") :][:1] in FIXARRAYS)
REQUESTS: Final = ("control-send", "control-receive", "control-ack")
ANSWERS: Final = ("control-sent", "control-received", "control-acked", "control-failed", "control-no-request")
# Frames are read in the order in which they are said, below.
IN_ORDER: Final = frozenset(name for name in examples() if name.startswith("frame-"))
# Nothing that is ever sent or stored as it stands: what was derived on the way. tests/protocol derives it by hand.
VALUES: Final = frozenset(
    {
        "rotation-keys",
        "inception-hashes",
        "instance-hashes",
        "bob-kem-seeds",
        "handshake-secrets",
        "keys-first",
        "keys-welcome",
        "keys-proof",
        "keys-message",
        "lane-keys",
        "header-message",
        "no-session-body",
        "audit-commitments",
        "audit-tree",
        "audit-lookup",
        "dht-places",
        "did-document",
    }
)


def test_every_example_is_on_a_page_once_and_read_by_a_test() -> None:
    assert sorted(SHOWN.names) == sorted(examples())
    read = {*STRICT, *OPEN_ENDED, *REQUESTS, *ANSWERS, *IN_ORDER, *VALUES, "audit-vkey", "audit-tlog-proof"}
    assert read == set(examples())


@pytest.mark.parametrize("name", sorted(examples()))
def test_an_example_is_made_again_as_the_page_shows_it(name: str) -> None:
    assert SHOWN.text(name) == render(examples()[name])
    assert SHOWN[name] == whole(examples()[name])


def test_writing_the_examples_anew_changes_no_page_and_mends_one_that_was_changed() -> None:
    for page in pages().values():
        assert rendered(page, examples()) == page
        spoilt = BLOCK.sub(lambda found: f"{found[1]}00\n{found[4]}", page)
        assert rendered(spoilt, examples()) == page


def test_a_page_with_an_example_that_nobody_makes_is_an_error() -> None:
    with pytest.raises(KeyError):
        rendered("<!-- example: nobody -->\n\n```text\n00\n```\n", examples())


@pytest.mark.parametrize("name", sorted({**STRICT, **OPEN_ENDED}))
def test_the_real_decoder_reads_the_example_of_the_page(name: str) -> None:
    {**STRICT, **OPEN_ENDED}[name](SHOWN[name])


@pytest.mark.parametrize("name", sorted(STRICT))
def test_the_real_decoder_refuses_the_example_with_a_byte_more_or_less(name: str) -> None:
    raw = SHOWN[name]
    more = b"\n" if isinstance(examples()[name], Text) else b"\x00"
    for changed in (raw + more, raw[:-1], b""):
        with pytest.raises(REFUSED):
            STRICT[name](changed)


@pytest.mark.parametrize("name", ARRAYS)
def test_the_real_decoder_refuses_the_example_in_a_longer_form(name: str) -> None:
    raw = SHOWN[name]
    at = int(name.startswith("content"))
    with pytest.raises(REFUSED):
        STRICT[name](raw[:at] + b"\xdc\x00" + bytes([raw[at] & 0x0F]) + raw[at + 1 :])


def test_the_names_in_the_page_are_the_identity_s() -> None:
    assert f"`{did_of(KeyLog.decode_and_verify(SHOWN['ada-key-log']).state.did)}`" in pages()["keylog.md"]


def test_the_frames_of_the_session_are_heard_by_the_other_end() -> None:
    (ada, _), bob = knock(), answer(SHOWN["opening"])
    bob.offer_lanes(drawn("bob message 0", "bob bulk 0"))
    heard = {
        "frame-welcome": (ada, Lane.CONTROL, SHOWN["content-welcome"]),
        "frame-proof": (bob, Lane.CONTROL, SHOWN["content-proof"]),
        "frame-open-message": (bob, Lane.MESSAGE, SHOWN["content-open"]),
        "frame-open-bulk": (bob, Lane.BULK, SHOWN["content-open"]),
        "frame-message": (bob, Lane.MESSAGE, SHOWN["content-message"]),
    }
    for name, (hearer, lane, plaintext) in heard.items():
        opened = hearer.open(lane, SHOWN[name], now_ms=NOW_MS)
        hearer.take(lane, opened)
        if lane is Lane.CONTROL and hearer is ada:
            ada.open_lanes(SHOWN["lane-keys"], drawn("ada message 1", "ada bulk 1"))
        assert (opened.plaintext, opened.lease_epoch) == (plaintext, 0)
    assert (ada.confirmed, bob.confirmed) == (True, True)
    assert ada.id == bob.id == SHOWN.value("handshake-secrets", "session id")


def test_the_frames_of_the_link_are_cut_from_a_stream_and_opened() -> None:
    names = ["frame-fetch", "frame-card", "frame-hello", "frame-no-session", "frame-ask"]
    reader = FrameReader(frozenset(Kind))
    reader.feed(b"".join(SHOWN[name] for name in names))
    fetch, card, hello, lost, ask = (frame for _ in names if (frame := reader.next()) is not None)
    assert reader.next() is None
    assert not reader.inside_a_frame
    assert greeting.Fetch.decode(fetch[1:]).did == BOB.did
    assert greeting.Card.decode(card[1:]).bundle == SHOWN["bob-bundle"]
    assert [frame[0] for frame in (fetch, card, hello, lost, ask)] == [1, 2, 3, 4, 4]
    dialler = Channel.dial(BOB.pair.public, drawn("ada hello"))
    responder, first = Channel.answer(hello[1:], BOB.pair.secret, drawn())
    assert first == SHOWN["greeting-resume"]
    assert dialler.open(lost[1:]) == SHOWN["greeting-no-session"]
    assert responder.open(ask[1:]) == SHOWN["greeting-ask"]
    for body, decode in ((fetch[1:], greeting.Fetch.decode), (card[1:], greeting.Card.decode)):
        with pytest.raises(Damaged):
            decode(body + b"\x00")


def test_the_tlog_proof_of_the_page_leads_to_the_checkpoint_and_holds_the_leaf() -> None:
    read = TlogProof.parse(SHOWN["audit-tlog-proof"])
    assert read.extra == SHOWN["audit-leaf"]
    assert read.verify(leaf_hash(SHOWN["audit-leaf"]), vkey()).root == checkpoint(SHOWN["audit-checkpoint"]).root


def test_the_export_of_the_page_is_verified_from_leaves_to_signature() -> None:
    files = {
        "checkpoint": SHOWN["audit-checkpoint"],
        "tile/entries/000.p/4": SHOWN["audit-bundle"],
        "tile/0/000.p/4": SHOWN["audit-tree"],
    }
    assert verify_tiles(files.get, vkey()) == checkpoint(SHOWN["audit-checkpoint"])


def test_the_lines_of_the_control_socket_are_read_and_written_the_same() -> None:
    for name in REQUESTS:
        assert Request.decode(SHOWN[name]).encode() == SHOWN[name]
    for name in ANSWERS:
        answer = decode_line(SHOWN[name])
        assert answer.keys() in ({"id", "ok"}, {"id", "error"})
