"""What a node believes of other nodes' logs: only what the key log that it knows of them bears out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from nacl.signing import SigningKey
from trio.testing import MockClock

from talos.core import codec
from talos.core.diary_read import Reader
from talos.core.keylog import KeyLog, merge, verify, write
from talos.core.keylog_keys import rotation_key, signer
from talos.core.keylog_rank1 import Revocation
from talos.core.log_card import LogCard, make_card
from talos.core.proof_file import Proof, check_proof, make_proof
from talos.core.step import Put
from talos.core.tables import KEYLOGS
from talos.errors import Damaged
from talos.services.peer import Peer
from talos.services.requests import RequestType
from talos_audit import Checkpoint, sign_checkpoint
from tests.node.core.end import NOW_MS
from tests.node.core.identities import certificate, derived, instance_key, instance_public
from tests.node.core.logs import Log, short_log
from tests.node.services.wire import Running, running

LOG_KEY = SigningKey(derived("log key"))
PUBLIC = bytes(LOG_KEY.verify_key)


def head(card: LogCard, key: SigningKey = LOG_KEY) -> bytes:
    """Return an answer whose checkpoint is signed as the card asks for, if `key` is the card's."""
    checkpoint = Checkpoint(card.origin, 5, derived("root"))
    return codec.pack(card.encode(), sign_checkpoint(checkpoint, card.key, signer(key)))


def show(node: Running, answer: bytes) -> None:
    """Let the node show this to every peer that asks for its log."""

    async def handler(peer: Peer, body: bytes) -> bytes:
        return answer

    node.requests.handlers[RequestType.LOG_HEAD] = handler


async def own_answer(node: Running) -> bytes:
    """Return what the node would show if it were honest."""
    return await node.node.audit.show_head(node.desk.post.peer_or_stranger(bytes(32)), b"")


async def own_card(node: Running) -> LogCard:
    card, _ = codec.array(await own_answer(node), length=2, size_max=100_000)
    return LogCard.decode(codec.octets(card, field="card"))


async def refuses(a: Running, b: Running, why: str) -> None:
    with pytest.raises(Damaged, match=why) as caught:
        await a.node.audit.peer_head(b.did)
    assert caught.value.fix is None, "what a peer shows is no reason to give up our own identity"


async def test_a_card_that_the_key_log_bears_out_is_believed_whoever_made_it(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        me = b.opened.me
        card = make_card(b.did, me.party.ed25519, 7, PUBLIC, me.sign)
        show(b, head(card))
        assert (await a.node.audit.peer_head(b.did)).origin == card.origin


async def test_a_peer_that_shows_somebody_elses_log_is_refused(autojump_clock: MockClock) -> None:
    async with running("a", "b", "c") as (a, b, c):
        await a.node.send(b.node.did, b"x")
        await a.node.send(c.node.did, b"x")
        show(b, await own_answer(c))
        assert (await a.node.audit.peer_head(c.did)).origin == (await own_card(c)).origin, "it is genuine"
        await refuses(a, b, "another identity")


async def test_a_peer_that_shows_ours_to_us_is_refused(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        show(b, await own_answer(a))
        await refuses(a, b, "another identity")


Lie = Callable[[Running], LogCard]


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (lambda b: make_card(b.did, instance_public(0), 1, PUBLIC, signer(instance_key(0))), "never certified"),
        (
            lambda b: make_card(b.did, b.opened.me.party.ed25519, 1, PUBLIC, signer(instance_key(0))),
            "not signed by its instance",
        ),
        (
            lambda b: replace(make_card(b.did, b.opened.me.party.ed25519, 1, PUBLIC, b.opened.me.sign), generation=2),
            "not signed by its instance",
        ),
    ],
    ids=["an instance of nobody's", "signed by somebody else", "changed after it was signed"],
)
async def test_a_card_that_the_key_log_does_not_bear_out_is_refused(
    lie: Lie, why: str, autojump_clock: MockClock
) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        show(b, head(lie(b)))
        await refuses(a, b, why)


async def test_a_checkpoint_by_another_key_than_the_cards_is_refused(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        show(b, head(await own_card(b)))
        await refuses(a, b, "does not hold")


async def test_an_answer_that_is_none_is_refused(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        for answer in (b"", b"\x90", codec.pack(b"", b""), (await own_answer(b)) + b"\x00", bytes(70_000)):
            show(b, answer)
            await refuses(a, b, "log ")


async def test_a_peer_whose_key_log_we_lack_is_not_believed(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        a.opened.host.store.commit([Put(KEYLOGS, b.did, None)])
        a.desk.directory.forget(b.did)
        await refuses(a, b, "no key log")


# Proofs


def proof_of_another() -> tuple[Log, Proof]:
    """Return the log of somebody whom no node has met, and a proof from it."""
    log = short_log(9)
    return log, make_proof(log.store, Reader(log.store, log.vault), 3, since=None, reveal=True)


def forked(log: Log) -> KeyLog:
    """Return a longer key log of the same identity, which never certified the instance that keeps `log`."""
    key = signer(SigningKey(log.made.rotation_key))
    known = verify(log.key_log().events[:1])
    for number in (1, 2):
        known = known.extended(write(known, certificate(number), now_ms=NOW_MS, sign=key))
    assert len(known.events) > len(log.key_log().events)
    return known


def grown(log: Log) -> KeyLog:
    """Return the key log, with one instance more than the proof knows of."""
    known = log.key_log()
    event = write(known, certificate(1), now_ms=NOW_MS, sign=signer(SigningKey(log.made.rotation_key)))
    return known.extended(event)


def revoked(log: Log) -> KeyLog:
    """Return a key log that its owner ended, without having certified the instance that keeps `log`."""
    known, key = begun(log), rotation_key(log.seed, 1)
    ended = Revocation(key.verify_key.encode(), "stolen")
    return known.extended(write(known, ended, now_ms=NOW_MS, sign=signer(key)))


Known = Callable[[Log], KeyLog]


def begun(log: Log) -> KeyLog:
    """Return the key log as it was before any instance was certified."""
    return verify(log.key_log().events[:1])


@pytest.mark.parametrize(
    "known", [None, begun, Log.key_log, grown], ids=["nothing", "a shorter key log", "the same", "a longer one"]
)
async def test_a_proof_is_believed_if_what_we_know_of_its_identity_bears_it_out(
    known: Known | None, autojump_clock: MockClock
) -> None:
    log, proof = proof_of_another()
    async with running("a") as (a,):
        if known is not None:
            a.opened.host.store.commit([Put(KEYLOGS, log.made.did, known(log).encode())])
        assert a.node.audit.check_proof(proof, log.checkpoint().root).index == 3


async def test_a_proof_by_an_instance_that_is_not_in_the_key_log_we_know_is_refused(
    autojump_clock: MockClock,
) -> None:
    log, proof = proof_of_another()
    root = log.checkpoint().root
    async with running("a") as (a,):
        a.opened.host.store.commit([Put(KEYLOGS, log.made.did, forked(log).encode())])
        assert check_proof(proof, root).index == 3, "by the key log that it brings along it is good"
        with pytest.raises(Damaged, match="contradicts"):
            a.node.audit.check_proof(proof, root)


async def test_a_proof_by_an_instance_that_lost_the_fork_we_know_of_is_refused(autojump_clock: MockClock) -> None:
    log, proof = proof_of_another()
    async with running("a") as (a,):
        known = revoked(log)
        assert merge(known, log.key_log()).encode() == known.encode(), "the branch with the certificate loses"
        a.opened.host.store.commit([Put(KEYLOGS, log.made.did, known.encode())])
        with pytest.raises(Damaged, match="never certified"):
            a.node.audit.check_proof(proof, log.checkpoint().root)


async def test_a_proof_that_brings_the_key_log_of_another_identity_is_refused(autojump_clock: MockClock) -> None:
    log, proof = proof_of_another()
    async with running("a") as (a,):
        wrong = replace(proof, key_log=a.opened.me.key_log.encode())
        with pytest.raises(Damaged, match="another identity"):
            a.node.audit.check_proof(wrong, log.checkpoint().root)
