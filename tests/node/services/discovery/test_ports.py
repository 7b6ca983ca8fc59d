"""UDP ports: when it seems that no datagram passes."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from talos.core.boxes import Boxes
from talos.core.budgets import RATES, Work
from talos.drivers.entropy import entropy
from talos.host import Address, LinkClosed
from talos.services.discovery import ways_out
from talos.services.discovery.ways_out import WaysOut
from talos_dht import Contact, Kind, Request
from talos_ratchet import make_key_pair
from tests.node.services.discovery.test_dht_runner import runner


class Came:
    """A port at which these datagrams come, and no more."""

    def __init__(self, *datagrams: tuple[bytes, Address], host: str = "0.0.0.0") -> None:
        self.address = Address(host, 1)
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
    ours, turns = ports._boxes._pair.public, list[bool]()
    ports.turned = lambda: turns.append(ports.by_stream)
    boxes = Boxes(make_key_pair(entropy), entropy)
    near, far = Contact.at(bytes(range(32)), "192.168.1.7", 9), Contact.at(bytes(range(32)), "198.51.100.7", 9)
    for host, is_far_silent in (("192.168.1.7", True), ("203.0.113.9", False)):
        came = boxes.seal(ours, Request(Kind.PING, bytes(8)).encode()), Address(host, 9)
        with pytest.raises(LinkClosed):
            await ports.read(Came(came))
        assert ports.is_silent([far]) is is_far_silent
        assert not ports.is_silent([near])
        assert ports.by_stream is is_far_silent
    assert turns == [True, False]


async def test_who_has_been_heard_is_heard_whatever_bears_its_address(autojump_clock: MockClock) -> None:
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


@pytest.mark.parametrize(
    ("hosts", "there", "chosen"),
    [
        (["127.0.0.1", "192.168.1.2", "203.0.113.2"], "198.51.100.7", "203.0.113.2"),
        (["127.0.0.1", "192.168.1.2"], "198.51.100.7", "192.168.1.2"),
        (["127.0.0.1", "203.0.113.2"], "192.168.1.7", "203.0.113.2"),
        (["127.0.0.1", "192.168.1.2"], "192.168.1.7", "192.168.1.2"),
        (["192.168.1.2", "127.0.0.1"], "127.0.0.1", "127.0.0.1"),
        (["127.0.0.1", "0.0.0.0"], "198.51.100.7", "0.0.0.0"),
        (["127.0.0.1", "2001:db8::2"], "198.51.100.7", "127.0.0.1"),
        (["127.0.0.1", "::1", "2001:db8::2"], "2001:4860::7", "2001:db8::2"),
    ],
)
def test_of_several_ports_the_one_that_leads_there_sends_what_nobody_has_asked_for(
    hosts: list[str], there: str, chosen: str
) -> None:
    ports = WaysOut([Came(host=host) for host in hosts])
    port = ports.to(Contact.at(bytes(range(32)), there, 9))
    assert port is not None
    assert port.address.host == chosen


def test_at_which_of_several_ports_somebody_was_heard_is_kept_of_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways_out, "HEARD_MAX", 2)
    first, second = Came(host="127.0.0.1"), Came(host="127.0.0.2")
    ports = WaysOut([first, second])
    heard = [Contact.at(bytes([number]) * 32, "127.0.0.1", 9) for number in range(3)]
    for contact in heard:
        ports.heard(contact, second)
    assert [ports.to(contact) for contact in heard] == [first, second, second]
    assert WaysOut([first]).to(Contact.at(bytes(range(32)), "::1", 9)) is None
