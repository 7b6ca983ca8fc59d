"""Sessions at the application's word: that there be one with a peer, and that there be a new one."""

from __future__ import annotations

from typing import Final

from talos.core.names import did_of, parse_peer
from talos.errors import Damaged, NotReachable, Refused, StoreFailed
from talos.host import DialError, LinkClosed
from talos.services.desk import Desk
from talos.services.links import Links
from talos.services.peer import Peer

ASKED_LEAST_S: Final = 10.0  # Between two resets that were asked for: each costs the peer a handshake, and 3 kB.
TRIES: Final = 2  # A greeting that was under way when the session was given up fails with it.


class Resets:
    """One per running node."""

    def __init__(self, desk: Desk, links: Links, *, offline: bool) -> None:
        self._desk = desk
        self._links = links
        self._offline = offline

    async def establish(self, to: str) -> Peer:
        """Return the peer once there is a link with it, and so a session that both ends have proved to hold.

        Raises `UsageError` for what names nobody, `Refused` for ourselves or by the peer, `NotReachable`, `Damaged`,
        `StoreFailed` or `NodeStopped`.
        """
        peer = self._peer(to)
        try:
            await self._links.connect(peer)
        except (DialError, LinkClosed) as error:
            raise NotReachable(f"{did_of(peer.did)} cannot be reached: {error.what}", fix=error.fix) from error
        if not peer.conversation.has_session():
            raise NotReachable(f"the link to {did_of(peer.did)} has ended again: {peer.reason}")
        return peer

    async def reset(self, to: str) -> Peer:
        """Give up the session with a peer, and return the peer once there is a new one.

        The old one is given up for good once that is on disk, and receives for another day. If this then raises, as
        `establish` does, the next link makes the new one. Raises `Refused`, with nothing done, within `ASKED_LEAST_S`
        seconds of the last.
        """
        peer, now = self._peer(to), self._desk.host.clock.monotonic()
        if now - peer.asked_at < ASKED_LEAST_S:
            raise Refused(
                f"the session with {did_of(peer.did)} was reset {now - peer.asked_at:.1f} s ago",
                fix=f"Wait until {ASKED_LEAST_S:.0f} s have passed",
            )
        asked_before, peer.asked_at = peer.asked_at, now
        link = peer.link
        try:
            await self._desk.post.reset(peer, "asked for").on_disk()
        except StoreFailed:
            peer.asked_at = asked_before  # Nothing was reset.
            raise
        await self._links.ended(peer, link)
        for left in reversed(range(TRIES)):
            try:
                return await self.establish(to)
            except Damaged:
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _peer(self, to: str) -> Peer:
        did = parse_peer(to)
        if did == self._desk.me.did:
            raise Refused("a node has no session with itself")
        if self._offline:
            raise NotReachable("the node is offline (offline_mode)")
        return self._desk.post.peer(did)
