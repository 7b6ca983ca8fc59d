"""What every greeting needs of this node, in one hand."""

from __future__ import annotations

from dataclasses import dataclass

from talos.core.greeting import Card
from talos.core.identity import Identity
from talos.core.keylog import KeyLog
from talos.core.prekeys import PrekeyRing
from talos.core.step import Put
from talos.core.tables import KEYLOGS
from talos.errors import StoreFailed
from talos.host import Host
from talos.services.directory import Directory
from talos.services.post import Peer, Post


@dataclass(frozen=True, slots=True)
class Desk:
    host: Host
    me: Identity
    ring: PrekeyRing
    directory: Directory
    post: Post

    def now_ms(self) -> int:
        return self.host.clock.wall_ms()

    def card(self) -> Card:
        return Card(self.me.key_log.encode(), self.me.party.encode(), self.ring.bundle)

    async def learn(self, log: KeyLog) -> None:
        """Keep what a peer's verified key log adds to ours; sessions that it ends, end with it.

        Raises `BrokenKeyLog`, `StoreFailed` or `NodeStopped`.
        """
        grown = self.directory.grow(log)
        if grown is None:
            return
        did = log.state.did
        pending = self.post.recheck(self.post.peer(did), grown, (Put(KEYLOGS, did, grown.encode()),))
        try:
            if pending is not None:
                await pending.on_disk()
        except StoreFailed:
            self.directory.forget(did)
            raise

    def recheck(self, peer: Peer) -> None:
        """End the peer's sessions that do not hold any more: certificates and windows end by the hour, too."""
        log = self.directory.key_log(peer.did)
        if log is not None:
            self.post.recheck(peer, log)
