"""How a peer is reached, and how long that takes."""

from __future__ import annotations

from typing import Final

from talos.core.names import did_of
from talos.core.report import Ping
from talos.errors import NotReachable
from talos.services.desk import Desk
from talos.services.discovery.service import Discovery
from talos.services.link import Link
from talos.services.peer import Peer
from talos.services.requests import Requests, RequestType
from talos.services.resets import Resets

REPLY_S: Final = 10.0  # As long as a greeting may take; a reply comes within milliseconds, or the road is gone.
STATIC: Final = "static"
INCOMING: Final = "incoming"
FORGOTTEN: Final = "discovery"  # Where what once was found has been replaced since.


async def ping(to: str, desk: Desk, resets: Resets, requests: Requests, discovery: Discovery | None) -> Ping:
    """Link with a peer if there is no link; ask it something on the session, and return how long the reply took.

    Only the peer can have answered: the session is its. Raises as `Resets.establish` and `Requests.ask` do.
    """
    clock = desk.host.clock
    began = clock.monotonic()
    peer = await resets.establish(to)
    link, did = peer.link, did_of(peer.did)
    if link is None:
        raise NotReachable(f"the link to {did} has ended again: {peer.reason}")
    asked = clock.monotonic()
    await requests.ask(peer, RequestType.KEY_LOG, timeout_s=REPLY_S)
    return Ping(
        did=did,
        found=_how(desk, discovery, peer, link),
        address=str(link.at),
        link_s=link.bound_at - began if link.bound_at >= began else None,
        round_trip_s=clock.monotonic() - asked,
    )


def _how(desk: Desk, discovery: Discovery | None, peer: Peer, link: Link) -> str:
    if not link.dialled:
        return INCOMING
    if link.at in desk.directory.addresses(peer.did):
        return STATIC
    told_by = None if discovery is None else discovery.told_by(peer.did, link.at)
    return told_by or FORGOTTEN
