"""UDP ports: when it seems that no datagram passes."""

from __future__ import annotations

import pytest
import trio

from talos.core.boxes import Boxes
from talos.core.budgets import RATES, Work
from talos.drivers.entropy import entropy
from talos.host import Address, LinkClosed
from talos_dht import Contact, Kind, Request
from talos_ratchet import make_key_pair
from tests.node.services.discovery.test_dht_runner import runner


class Came:
    """A port at which these datagrams come, and no more."""

    address = Address("0.0.0.0", 1)

    def __init__(self, *datagrams: tuple[bytes, Address]) -> None:
        self._left = [*datagrams]

    async def send_to(self, data: bytes, address: Address) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_from(self) -> tuple[bytes, Address]:
        await trio.lowlevel.checkpoint()
        if not self._left:
            raise LinkClosed("the test")
        return self._left.pop(0)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_what_a_neighbour_says_is_no_sign_that_udp_passes_out_of_the_house() -> None:
    """Two nodes of one house behind a wall hear each other all the time."""
    ports = runner()._ports
    ours, passes = ports._boxes._pair.public, list[bool]()
    ports.udp_passes = lambda: passes.append(True)
    boxes = Boxes(make_key_pair(entropy), entropy)
    near, far = Contact.at(bytes(range(32)), "192.168.1.7", 9), Contact.at(bytes(range(32)), "198.51.100.7", 9)
    for host, is_far_silent in (("192.168.1.7", True), ("203.0.113.9", False)):
        came = boxes.seal(ours, Request(Kind.PING, bytes(8)).encode()), Address(host, 9)
        with pytest.raises(LinkClosed):
            await ports.read(Came(came))
        assert ports.is_silent([far]) is is_far_silent
        assert not ports.is_silent([near])
        assert ports.by_stream is is_far_silent
    assert passes == [True]


async def test_who_has_been_heard_is_heard_whatever_bears_its_address() -> None:
    ports = runner()._ports
    ours, boxes = ports._boxes._pair.public, Boxes(make_key_pair(entropy), entropy)
    at = Address("203.0.113.9", 9)
    good = boxes.seal(ours, Request(Kind.PING, bytes(8)).encode()), at
    forged = [(entropy(100), at)] * (2 * RATES[Work.DATAGRAM].host)
    with pytest.raises(LinkClosed):
        await ports.read(Came(good, *forged, good))
    assert ports.traffic.received == len(forged) + 2
    assert ports.traffic.refused == len(forged)
    stranger = Boxes(make_key_pair(entropy), entropy).seal(ours, Request(Kind.PING, bytes(8)).encode()), at
    with pytest.raises(LinkClosed):
        await ports.read(Came(stranger, good))
    assert ports.traffic.refused == len(forged) + 1
