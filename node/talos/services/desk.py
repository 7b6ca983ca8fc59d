"""What every greeting needs of this node, in one hand."""

from __future__ import annotations

from dataclasses import dataclass

from talos.core.greeting import Card
from talos.core.identity import Identity
from talos.core.keylog import KeyLog
from talos.core.prekeys import PrekeyRing
from talos.host import Host
from talos.services.directory import Directory
from talos.services.post import Post


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
        """Keep what a peer's verified key log adds to ours; sessions that it ends, end now."""
        if await self.directory.learn(log):
            self.post.recheck(self.post.peer(log.state.did), self.directory.merged(log))
