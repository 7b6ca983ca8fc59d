"""A node that can only dial: it keeps a link to one or two relays, reserves there, and comes when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from talos.core import codec
from talos.core.names import PeerAddress
from talos.core.reservations import LIFE_MS, TOKEN_SIZE, WAITING_MAX
from talos.errors import MalformedMessage, Refused, TalosError
from talos.host import Address
from talos.services.desk import Desk
from talos.services.links import Links
from talos.services.peer import Peer
from talos.services.relaying.relay import VERSION
from talos.services.relaying.through import dial_back
from talos.services.requests import Requests, RequestType
from talos.services.signal import Signal
from talos_dht import Address as Place

RENEW: Final = 0.8  # Of a reservation's life, after which it is renewed.
ASK_S: Final = 10.0
LIFE_LEAST_MS: Final = 60_000  # Of a reservation: a relay must not have us renew without pause.
AGAIN_LEAST_S: Final = 1.0  # Before a relay that was lost is tried again; then twice as long ...
AGAIN_MOST_S: Final = 60.0  # ... up to this. Who has kept us for so long is none that only ends links.
CALLED_MAX: Final = WAITING_MAX  # Calls of one relay that we come to at once: with an honest one no more wait.


@dataclass(slots=True)
class Home:
    """One relay of ours."""

    at: PeerAddress
    key: bytes = b""  # Its X25519 key, once we have been there.
    is_reserved: bool = False
    reason: str | None = "not asked yet"  # Why we cannot be called there.
    coming: int = 0  # Calls there that we are on our way to.


class Homes:
    """`run` until cancelled. `moved` is sent when there is another way to us than before."""

    def __init__(self, desk: Desk, links: Links, requests: Requests, relays: Sequence[PeerAddress]) -> None:
        self._desk = desk
        self._links = links
        self._requests = requests
        self.homes = [Home(at) for at in relays]
        self.moved = Signal()
        if relays:
            requests.handlers[RequestType.CALLED] = self._called

    def addresses(self) -> list[Place]:
        """Return where we can be called now, as a record says it."""
        return [Place(home.at.host, home.at.port, home.key) for home in self.homes if home.is_reserved]

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for home in self.homes:
                nursery.start_soon(self._keep, home)

    async def _keep(self, home: Home) -> None:
        clock, wait_s = self._desk.host.clock, AGAIN_LEAST_S
        while True:
            began_at = clock.monotonic()
            try:
                await self._stay(home)
            except TalosError as error:
                home.reason = str(error)
            if clock.monotonic() - began_at >= AGAIN_MOST_S:
                wait_s = AGAIN_LEAST_S
            home.is_reserved = False
            self.moved.send()
            await clock.sleep(wait_s)
            wait_s = min(2 * wait_s, AGAIN_MOST_S)

    async def _stay(self, home: Home) -> None:
        """Reserve, renew in time, and reserve anew if the link to the relay ends, until one has not lasted.

        Raises `TalosError` where that is not to be.
        """
        address = Address(home.at.host, home.at.port)
        if address not in self._desk.directory.addresses(home.at.did):
            await self._desk.add_address(home.at.did, address)
        home.key = (await self._links.look(address, home.at.did)).who.party.x25519
        peer = self._desk.post.peer(home.at.did)
        while True:
            await self._links.connect(peer)
            link, began_at = peer.link, self._desk.host.clock.monotonic()
            life_ms = _life_of(await self._requests.ask(peer, RequestType.RESERVE, timeout_s=ASK_S))
            home.reason = None
            if not home.is_reserved:
                home.is_reserved = True
                self.moved.send()
            with self._desk.host.clock.move_on_after(RENEW * life_ms / 1000):
                while link is not None and peer.link is link:
                    await self._desk.post.work_came.wait()
                home.reason = "the link to it has ended"
                if self._desk.host.clock.monotonic() - began_at < AGAIN_MOST_S:
                    return  # A relay must not have us greet it without pause.

    async def _called(self, peer: Peer, token: bytes) -> bytes:
        """Somebody calls us at a relay: go there. The relay has its answer at once; the rest is between us and them."""
        home = next((one for one in self.homes if one.at.did == peer.did and one.is_reserved), None)
        if home is None or len(token) != TOKEN_SIZE:
            raise Refused("we have no reservation there")
        if home.coming >= CALLED_MAX:
            raise Refused(f"{CALLED_MAX} calls at this relay are being taken")
        self._links.spawn(f"called at {home.at.host}", partial(self._come, home, token))
        home.coming += 1
        return b""

    async def _come(self, home: Home, token: bytes) -> None:
        host, relay = self._desk.host, Address(home.at.host, home.at.port)
        try:
            with host.clock.move_on_after(ASK_S):
                stream = await dial_back(host.network, host.entropy, relay, home.key, token)
                await self._links.take(stream)
        except TalosError as error:
            home.reason = f"a call did not come about: {error}"
        finally:
            home.coming -= 1


def _life_of(answer: bytes) -> int:
    version, life_ms = codec.array(answer, length=2, size_max=16, field="reservation")
    if version != VERSION:
        raise MalformedMessage("reservation: not of a version that we know")
    return codec.integer(life_ms, least=LIFE_LEAST_MS, most=LIFE_MS, field="life_ms")
