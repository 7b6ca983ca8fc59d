"""A node that listens at two addresses of one family: it answers from where it was asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from talos.core.names import parse_peer
from talos.host import Address
from tests.node.test_discovery import discovery
from tests.processes.running import place, running, settings, until


@pytest.mark.parametrize("asked", [0, 1])
async def test_who_is_asked_at_either_of_two_addresses_answers_from_there(asked: int) -> None:
    both = (Address("127.0.0.1", 0), Address("127.0.0.2", 0))
    async with running(replace(settings("hub"), listen=both)) as hub:
        host, _, port = hub.addresses[asked].rpartition(":")
        way = replace(place(hub), host=host, port=int(port))
        async with running(replace(settings("ada"), bootstrap=(way,))) as ada:
            await until(lambda: len(discovery(ada).dht.table) == 1)
            assert not discovery(ada).ports.by_stream
            (contact,) = discovery(ada).dht.table.closest(parse_peer(hub.did)[:20])
            assert (contact.host, contact.port) == (host, int(port))
            await until(lambda: len(discovery(hub).dht.table) == 1)
