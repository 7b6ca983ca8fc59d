"""Whom this node knows, and how each of them is."""

from __future__ import annotations

from talos.core.names import did_of
from talos.core.report import PeerStatus
from talos.errors import Damaged
from talos.services.desk import Desk
from talos.services.discovery.finder import Finder
from talos.services.peer import Peer


def roll(desk: Desk, finder: Finder | None) -> tuple[PeerStatus, ...]:
    """Return every peer that has an address or a conversation, by DID."""
    dids = {peer.did for peer in desk.post.peers()} | set(desk.directory.known())
    return tuple(_status_of(desk, finder, did) for did in sorted(dids))


def peer_status(desk: Desk, finder: Finder | None, peer: Peer) -> PeerStatus:
    addresses = desk.directory.addresses(peer.did)
    found = None if finder is None else finder.found(peer.did)
    return PeerStatus(
        did=did_of(peer.did),
        addresses=tuple(map(str, addresses)),
        linked=peer.link is not None,
        session=peer.conversation.has_session(),
        undelivered=peer.conversation.undelivered,
        reason=peer.reason,
        found=() if found is None else tuple(str(one) for one in found.ways if one not in addresses),
        found_by=None if found is None else found.source,
    )


def _status_of(desk: Desk, finder: Finder | None, did: bytes) -> PeerStatus:
    """Return how a peer is; where its rows are damaged, that. One peer's damage must not hide all others."""
    try:
        return peer_status(desk, finder, desk.post.peer(did))
    except Damaged as error:
        addresses = tuple(map(str, desk.directory.addresses(did)))
        return PeerStatus(did_of(did), addresses, linked=False, session=False, undelivered=0, reason=str(error))
