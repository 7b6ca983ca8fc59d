"""Asking a relay: one question, and then the stream is the other's."""

from __future__ import annotations

from dataclasses import dataclass

from talos.core.dice import Entropy
from talos.core.greeting import Join, Joined, Through
from talos.errors import MalformedMessage, NotReachable, Refused
from talos.host import Address, Network, Stream
from talos.services.question import asking


@dataclass(frozen=True, slots=True)
class Relayed:
    """A way to a peer that can only dial."""

    relay: Address
    key: bytes  # The relay's X25519 key.
    did: bytes  # The peer's DID hash.

    def __str__(self) -> str:
        return f"{self.relay} (relay)"


Way = Address | Relayed  # To a peer.


async def dial_through(network: Network, entropy: Entropy, way: Relayed) -> Stream:
    """Return a stream to a peer. Raises `DialError`, `LinkClosed` or `Damaged`.

    Where the relay refuses it raises `NotReachable`: that is not the peer's word, which may be found elsewhere.
    """
    try:
        return await _joined(network, entropy, way.relay, way.key, Through(way.did))
    except Refused as error:
        raise NotReachable(f"the relay {way.relay} has no way to it: {error.what}") from error


async def dial_back(network: Network, entropy: Entropy, relay: Address, key: bytes, token: bytes) -> Stream:
    """Return the stream of who calls us through a relay that told us this token.

    Raises `DialError`, `LinkClosed`, `Refused` or `Damaged`.
    """
    return await _joined(network, entropy, relay, key, Join(token))


async def _joined(network: Network, entropy: Entropy, relay: Address, key: bytes, word: Through | Join) -> Stream:
    async with asking(network, entropy, relay, key) as question:
        if not isinstance(await question.ask(word), Joined):
            raise MalformedMessage("what answers there is no relay")
        question.is_kept = True
        return question.stream
