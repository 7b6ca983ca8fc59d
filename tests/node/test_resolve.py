"""From a DID to its document, on real nodes: found, known, shown by the peer, our own; and who nobody knows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from talos import DidDocument, Node
from talos.core.did_document import Use
from talos.core.multikey import KeyKind, multikey
from talos.core.names import did_of, parse_peer
from talos.errors import NotReachable, UsageError
from talos.host import Address
from tests.node.core.identities import Holder
from tests.node.test_discovery import discovery, found, town
from tests.processes.running import place, running, settings, until

NOBODY = did_of(bytes(32))


def endpoints(document: DidDocument) -> list[str]:
    return [at.uri for service in document.services for at in service.endpoints]


def check_keys(document: DidDocument, node: Node) -> None:
    """See that a document has the keys of a running node: its identity's first."""
    party = node._me.party
    assert document.did == node.did
    assert [method.key for method in document.methods] == [node.public_key, party.ed25519, party.x25519]
    [agreement] = [method for method in document.methods if Use.AGREEMENT in method.uses]
    assert agreement.name == multikey(KeyKind.X25519, party.x25519)


async def test_who_is_found_is_resolved_as_it_resolves_itself() -> None:
    async with town("hub", "ada", "bob") as (_, ada, bob):
        await found(ada, bob)
        document = await ada.resolve(bob.did)
        check_keys(document, bob)
        assert endpoints(document) == [f"talos://127.0.0.1:{place(bob).port}"]
        assert document == await bob.resolve(bob.peer_id)
        assert document.metadata.phase == "active"


async def test_without_discovery_a_peer_is_resolved_from_its_key_log_and_is_nowhere() -> None:
    alone = replace(settings("ada"), discovery=())
    async with running(alone) as ada:
        async with running(replace(settings("bob"), discovery=())) as bob:
            await ada.add_peer(place(bob))
            document = await ada.resolve(bob.did)
            check_keys(document, bob)
            assert not document.services  # What a user said is not what the identity says.
        assert await ada.resolve(bob.did) == document


@pytest.mark.parametrize("sources", [(), ("dht",)])
async def test_a_peer_that_was_never_met_is_asked_where_it_is_said_to_be(sources: tuple[str, ...]) -> None:
    async with running(replace(settings("ada"), discovery=sources)) as ada, running(settings("bob")) as bob:
        where = place(bob)
        await ada._desk.add_address(where.did, Address(where.host, where.port))
        check_keys(await ada.resolve(bob.did), bob)
        assert parse_peer(bob.did) in ada._desk.directory  # It is a peer: what it has shown is kept.


async def test_who_is_not_where_it_is_said_to_be_is_resolved_by_nobody() -> None:
    async with running(replace(settings("ada"), discovery=())) as ada, running(settings("bob")) as bob:
        where = Address("127.0.0.1", place(bob).port)
        await ada._desk.add_address(parse_peer(NOBODY), where)
        with pytest.raises(NotReachable, match=rf"discovery is off; {where}: "):
            await ada.resolve(NOBODY)
        assert parse_peer(NOBODY) not in ada._desk.directory


async def test_a_node_that_nobody_knows_yet_resolves_itself_with_where_it_listens() -> None:
    async with running(settings("ada")) as ada:
        document = await ada.resolve(ada.did)
        check_keys(document, ada)
        assert endpoints(document) == [f"talos://{address}" for address in ada.addresses]


async def test_an_offline_node_resolves_itself_and_dials_nobody() -> None:
    async with running(settings("bob")) as bob, running(replace(settings("ada"), offline_mode=True)) as ada:
        check_keys(await ada.resolve(ada.did), ada)
        where = place(bob)
        await ada._desk.add_address(where.did, Address(where.host, where.port))
        with pytest.raises(NotReachable, match="offline"):
            await ada.resolve(bob.did)


async def test_who_is_nowhere_is_said_to_be_so_with_every_reason() -> None:
    async with town("hub", "ada") as (_, ada):
        await until(lambda: len(discovery(ada).dht.table) == 1)
        with pytest.raises(NotReachable, match=rf"{NOBODY}.*dht: .*; no address of it is known"):
            await ada.resolve(NOBODY)


@pytest.mark.parametrize("sources", [(), ("dht",)])
async def test_a_revoked_identity_that_is_known_is_deactivated_though_no_record_holds(
    sources: tuple[str, ...],
) -> None:
    holder = Holder("stranger")
    log = holder.revoked(holder.log(1))
    async with running(replace(settings("ada"), discovery=sources)) as ada:
        await ada._desk.learn(log)
        document = await ada.resolve(did_of(log.state.did))
        assert document.is_deactivated
        assert not document.methods


async def test_a_single_key_is_resolved_by_itself() -> None:
    async with running(replace(settings("ada"), offline_mode=True)) as ada:
        document = await ada.resolve("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK")
        assert document.methods[1].name == "z6LSj72tK8brWgZja8NLRwPigth2T9QRiG1uH9oKZuKjdh9p"


@pytest.mark.parametrize("text", ["", "bob", "did:web:example.org", "did:key:z6Mk", "did:talos:" + "a" * 51])
async def test_what_names_nobody_is_refused(text: str) -> None:
    async with running(replace(settings("ada"), offline_mode=True)) as ada:
        with pytest.raises(UsageError):
            await ada.resolve(text)
