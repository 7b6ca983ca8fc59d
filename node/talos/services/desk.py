"""What every greeting needs of this node, in one hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from talos.core.budgets import Budgets, Source, Work, source_of
from talos.core.greeting import Card
from talos.core.identity import Identity
from talos.core.keylog import KeyLog
from talos.core.prekeys import PrekeyRing
from talos.core.step import Put
from talos.core.tables import KEYLOGS
from talos.errors import Damaged
from talos.host import Address, Host
from talos.services.directory import Directory
from talos.services.peer import Peer
from talos.services.post import Post


@dataclass(frozen=True, slots=True)
class Desk:
    host: Host
    me: Identity
    ring: PrekeyRing
    directory: Directory
    post: Post
    budgets: Budgets = field(default_factory=Budgets)

    def spend(self, work: Work, source: Source) -> bool:
        """Say whether who comes from there may have this work done now."""
        return self.budgets.spend(work, source, self.steady_ms())

    def steady_ms(self) -> int:
        """Milliseconds on the monotonic clock: nobody sets it back."""
        return int(self.host.clock.monotonic() * 1000)

    def now_ms(self) -> int:
        return self.host.clock.wall_ms()

    def card(self) -> Card:
        return Card(self.me.key_log.encode(), self.me.party.encode(), self.ring.bundle)

    def is_unknown(self, peer: Peer) -> bool:
        """Say whether a handshake would make it a newcomer: nothing of it is here that is to be kept."""
        did = peer.did
        return did not in self.directory and not self.directory.addresses(did) and peer.conversation.is_blank

    def make_room(self) -> None:
        """A newcomer has come: let the oldest go if there are too many. Whoever is here just now stays."""
        post, directory = self.post, self.directory
        crowded_out = post.newcomers.crowded_out(self._is_newcomer, lambda one: not post.peer(one).holds)
        for one in crowded_out:
            directory.drop(one)
            post.let_go(one, (Put(KEYLOGS, one, None),), over=partial(directory.dropped, one))

    def _is_newcomer(self, did: bytes) -> bool:
        """Say whether it may be let go. One that cannot be read may not: its damage must keep nobody else away."""
        try:
            return self.post.peer(did).conversation.is_newcomer and not self.directory.addresses(did)
        except Damaged:
            return False

    async def add_address(self, did: bytes, address: Address) -> None:
        """Keep where a peer may be reached: from then on it is never let go. Raises `StoreFailed` or `NodeStopped`."""
        await self.directory.add_address(did, address)
        self.post.newcomers.no_more(did)
        self.budgets.befriend(source_of(address.host))
        peer = self.post.peer(did)
        if peer.conversation.is_newcomer:
            await self.post.submit(peer, peer.conversation.keep(self.now_ms())).on_disk()

    async def learn(self, log: KeyLog) -> None:
        """Keep what a peer's verified key log adds to ours; sessions that it ends, end with it.

        Raises `BrokenKeyLog`, `Damaged`, `StoreFailed` or `NodeStopped`.
        """
        grown = self.directory.grow(log)
        if grown is None:
            return
        did = log.state.did
        forget = partial(self.directory.forget, did)
        try:
            peer = self.post.peer(did)
            pending = self.post.recheck(peer, grown, (Put(KEYLOGS, did, grown.encode()),), undo=forget)
        except Damaged:
            forget()  # Nothing was queued.
            raise
        if pending is not None:
            await pending.on_disk()

    def recheck(self, peer: Peer) -> None:
        """End the peer's sessions that do not hold any more: certificates and windows end by the hour, too.

        One that is worn out is given up in favour of a new one.
        """
        log = self.directory.key_log(peer.did)
        if log is not None:
            self.post.recheck(peer, log)
        self.post.renew(peer)
