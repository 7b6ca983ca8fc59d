"""`proof.json`: it convinces somebody who has nothing but a root, and no changed copy of it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random
from typing import Final

import pytest
from nacl.signing import SigningKey

from talos.core.diary_read import Reader
from talos.core.entries import Entry, Leaf
from talos.core.entry_types import EVIDENCE_MAX, EntryType, write_body
from talos.core.identity import load
from talos.core.keylog import KeyLog, write
from talos.core.keylog_keys import signer
from talos.core.keylog_rank2 import InstanceRetired
from talos.core.log_card import LogCard
from talos.core.names import did_of, instance_id
from talos.core.proof_file import TEXT_SIZE_MAX, Earlier, Proof, check_proof, make_proof
from talos.errors import Damaged
from talos_audit import EMPTY_ROOT, Checkpoint, open_checkpoint
from tests.conftest import Rounds
from tests.node.core.end import NOW_MS
from tests.node.core.identities import derived
from tests.node.core.logs import BOB, CLEO, VECTORS, Log, note, short_log, told

SIZE: Final = 40
SINCE: Final = 30
INDEX: Final = 7


@cache
def log_and_earlier() -> tuple[Log, Checkpoint]:
    """Return a log of `SIZE` entries that nobody may change, and its checkpoint at `SINCE`."""
    log = short_log(SINCE)
    earlier = log.checkpoint()
    log.write(*(note(number, BOB, NOW_MS + number) for number in range(SINCE, SIZE)))
    log.sign()
    return log, earlier


def proof_of(log: Log, index: int = INDEX, *, since: int | None = None, reveal: bool = True) -> Proof:
    return make_proof(log.store, Reader(log.store, log.vault), index, since=since, reveal=reveal)


@cache
def proof() -> Proof:
    """Return a revealed proof that goes on from the earlier checkpoint."""
    return proof_of(log_and_earlier()[0], since=SINCE)


def root() -> bytes:
    return log_and_earlier()[0].checkpoint().root


def believe(text: str, known: bytes) -> None:
    check_proof(Proof.decode(text), known)


# Good proofs


@pytest.mark.parametrize("index", range(SIZE))
@pytest.mark.parametrize("reveal", [True, False])
def test_every_entry_can_be_proved_and_says_what_was_written(index: int, reveal: bool) -> None:
    log, _ = log_and_earlier()
    text = proof_of(log, index, reveal=reveal).encode()
    assert Proof.decode(text).encode() == text
    entry = check_proof(Proof.decode(text), root())
    assert entry == Reader(log.store, log.vault if reveal else None).entry(index)


@pytest.mark.parametrize("since", [1, 2, 16, SINCE, SIZE - 1, SIZE])
def test_who_holds_an_earlier_root_believes_a_proof_that_goes_on_from_it(since: int) -> None:
    log, earlier = log_and_earlier()
    made = proof_of(log, since=since)
    assert made.earlier is not None
    assert check_proof(Proof.decode(made.encode()), made.earlier.root).index == INDEX
    assert check_proof(Proof.decode(made.encode()), root()).index == INDEX
    if since == SINCE:
        assert made.earlier.root == earlier.root


def test_a_sealed_proof_gives_nothing_away() -> None:
    log, _ = log_and_earlier()
    text = proof_of(log, reveal=False).encode()
    opened = told(log)[INDEX].opened
    for secret in (did_of(CLEO), CLEO.hex(), opened.body.hex(), opened.body_salt.hex(), opened.subject_salt.hex()):
        assert secret in proof_of(log).encode() or secret == CLEO.hex()
        assert secret not in text


def test_the_known_proofs_are_read_and_believed() -> None:
    key = LogCard.decode(bytes.fromhex(VECTORS["card"])).verifier
    known = open_checkpoint(VECTORS["checkpoint"].encode(), key).root
    entry = check_proof(Proof.decode(VECTORS["proof"]), known)
    assert (entry.index, entry.type, entry.details and entry.details["seq"]) == (2, "MESSAGE", 1)
    earlier = Proof.decode(VECTORS["proof"]).earlier
    assert earlier is not None
    assert check_proof(Proof.decode(VECTORS["proof"]), earlier.root) == entry
    sealed = check_proof(Proof.decode(VECTORS["sealed_proof"]), known)
    assert sealed == replace(entry, peer=None, details=None)


def test_a_proof_outlives_the_instance_that_wrote_the_log() -> None:
    log, _ = log_and_earlier()
    me = load(log.store, log.vault, log.made.rotation_key, NOW_MS)
    retired = InstanceRetired(instance_id(me.party.ed25519))
    event = write(me.key_log, retired, now_ms=NOW_MS, sign=signer(SigningKey(log.made.rotation_key)))
    grown = replace(proof(), key_log=me.key_log.extended(event).encode())
    assert KeyLog.decode_and_verify(grown.key_log).events[-1].content == retired
    assert check_proof(Proof.decode(grown.encode()), root()).index == INDEX


def test_the_largest_entry_and_the_longest_text_still_fit() -> None:
    log = Log()
    body = write_body(EntryType.REVOCATION, log.made.did, "\u00e9" * 256, bytes(EVIDENCE_MAX), log.made.did, bytes(64))
    log.write(Entry(EntryType.REVOCATION, NOW_MS, log.made.did, body))
    log.sign()
    text = proof_of(log, 1, since=1).encode()
    assert check_proof(Proof.decode(text), log.checkpoint().root).type == "REVOCATION"
    assert len(text) < TEXT_SIZE_MAX // 2


# Changed proofs


def test_no_bit_of_a_proof_can_be_changed(rounds: Rounds) -> None:
    text, (_, earlier) = proof().encode(), log_and_earlier()
    believe(text, root())
    believe(text, earlier.root)
    random = Random(20)
    for _ in range(rounds(800, 50_000)):
        at, bit = random.randrange(len(text)), random.randrange(8)
        changed = text[:at] + chr(ord(text[at]) ^ 1 << bit) + text[at + 1 :]
        for known in (root(), earlier.root):
            with pytest.raises(Damaged):
                believe(changed, known)


OTHER: Final = derived("other")
CHANGED: Final[dict[str, Callable[[Proof], Proof]]] = {
    "another index": lambda one: replace(one, index=one.index + 1),
    "another leaf": lambda one: replace(one, leaf=proof_of(log_and_earlier()[0], 8).leaf, opened=None),
    "another time in the leaf": lambda one: replace(one, leaf=replace(Leaf.decode(one.leaf), time_ms=NOW_MS).encode()),
    "no path": lambda one: replace(one, path=()),
    "a path that is too short": lambda one: replace(one, path=one.path[:-1]),
    "a path that is too long": lambda one: replace(one, path=(*one.path, OTHER)),
    "a path with another hash": lambda one: replace(one, path=(OTHER, *one.path[1:])),
    "an earlier checkpoint": lambda one: replace(one, checkpoint=short_log(SINCE).diary.checkpoint or b""),
    "no checkpoint": lambda one: replace(one, checkpoint=b""),
    "another card": lambda one: replace(one, card=Log("mallory").diary.card),
    "card and key log of another": lambda one: replace(
        one, card=Log("mallory").diary.card, key_log=Log("mallory").key_log().encode()
    ),
    "the key log of another": lambda one: replace(one, key_log=Log("mallory").key_log().encode()),
    "no key log": lambda one: replace(one, key_log=b""),
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED.keys())
def test_nobody_believes_a_proof_with(change: Callable[[Proof], Proof]) -> None:
    sealed = replace(proof(), opened=None)  # So that what is refused is the proof, and not how it was put together.
    assert check_proof(sealed, root()).index == INDEX
    with pytest.raises(Damaged):
        check_proof(change(sealed), root())
    with pytest.raises(Damaged):
        believe(change(sealed).encode(), root())


def test_what_an_entry_says_cannot_be_exchanged() -> None:
    opened = told(log_and_earlier()[0])[INDEX].opened
    for other in (
        replace(opened, subject=BOB),
        replace(opened, body=b"\x91\x01"),
        told(log_and_earlier()[0])[8].opened,
    ):
        with pytest.raises(Damaged, match="commits to"):
            replace(proof(), opened=other).encode()
        with pytest.raises(Damaged, match="commits to"):
            check_proof(replace(proof(), opened=other), root())


# Roots


def test_a_proof_for_another_root_than_the_one_held_is_refused_and_says_what_to_ask_for() -> None:
    for other in (OTHER, b"", bytes(32), log_and_earlier()[1].root):
        with pytest.raises(Damaged, match="another root") as refused:
            check_proof(replace(proof(), earlier=None), other)
        assert "--since" in (refused.value.fix or "")


EARLIER: Final[dict[str, Callable[[Earlier], Earlier]]] = {
    "another root": lambda one: replace(one, root=OTHER),
    "a smaller size": lambda one: replace(one, size=one.size - 1),
    "a larger size": lambda one: replace(one, size=one.size + 1),
    "the size of the whole": lambda one: replace(one, size=SIZE),
    "a size beyond the whole": lambda one: replace(one, size=SIZE + 1),
    "no path": lambda one: replace(one, path=()),
    "a path that is too short": lambda one: replace(one, path=one.path[1:]),
    "a path that is too long": lambda one: replace(one, path=(*one.path, OTHER)),
    "a path with another hash": lambda one: replace(one, path=(*one.path[:-1], OTHER)),
}


@pytest.mark.parametrize("change", EARLIER.values(), ids=EARLIER.keys())
def test_an_earlier_root_is_not_believed_with(change: Callable[[Earlier], Earlier]) -> None:
    earlier = proof().earlier
    assert earlier is not None
    changed = change(earlier)
    for known in (root(), earlier.root, changed.root):
        with pytest.raises(Damaged):
            check_proof(replace(proof(), earlier=changed), known)


def test_the_empty_root_that_every_log_began_with_is_nothing_to_go_on_from() -> None:
    with pytest.raises(Damaged):
        check_proof(replace(proof(), earlier=Earlier(0, EMPTY_ROOT, ())), EMPTY_ROOT)
