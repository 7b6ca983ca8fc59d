"""The post office: every conversation, the link it has now, and who waits for what.

Conversations are changed without a pause in between, and each change is queued at the committer in the same
breath. So the order of changes is the order on disk, and the order in which effects are released.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from talos.core.conversation import Conversation
from talos.core.effects import (
    Answered,
    Asked,
    Broken,
    Delivered,
    HandUp,
    Kept,
    Rewound,
    Send,
    TurnedDown,
    Unopened,
    WentAway,
    WornOut,
)
from talos.core.entry_types import Refusal
from talos.core.frames import Kind
from talos.core.inbox import PEER_ROWS_MAX, Inbox
from talos.core.keylog import KeyLog
from talos.core.newcomers import Newcomers
from talos.core.refusals import Refusals
from talos.core.sessions import Ours
from talos.core.step import Put, Step
from talos.core.tables import INBOX, OUTBOX
from talos.errors import NodeStopped, TalosError
from talos.host import Host
from talos.services.commit import Committer, Submitted
from talos.services.keeper import Keeper
from talos.services.link import Link
from talos.services.peer import Peer
from talos.services.signal import Signal

REPLAY_WINDOW_S: Final = 3_600  # A duplicate is written down if the peer's newest message is no older than this.
RESET_LEAST_S: Final = 600.0  # Between two resets of ours that nobody asked for: they cost the peer a handshake each.
REPLACED: Final = "another link has taken its place"
CROSSING_S: Final = 10.0  # Two dials that cross are bound no further apart than one greeting may take.


class Post:
    """All peers of a node. `requests` hears what peers ask and answer."""

    def __init__(
        self,
        host: Host,
        ours: Ours,
        committer: Committer,
        *,
        store_size_max_mib: int,
        replay_window_s: int = REPLAY_WINDOW_S,
        inbox_limit: int = PEER_ROWS_MAX,
    ) -> None:
        self._host = host
        self._ours = ours
        self._committer = committer
        self._replay_window_s = replay_window_s
        self._peers: dict[bytes, Peer] = {}
        self._told_busy: dict[bytes, Peer] = {}  # Of them; asked to go on once there is room.
        self.keeper = Keeper(host, committer, ours.did, store_size_max_mib)
        self.keeper.went_well = self.let_go_on
        committer.failed = self._look_back
        self.inbox = Inbox(self.keeper.room, inbox_limit)
        self.inbox.load(host.store.scan(INBOX))
        self.mail_came = Signal()
        self.work_came = Signal()  # Something waits for a link.
        self.requests: Callable[[Peer, Asked | Answered], None] = lambda peer, effect: None
        self.link_ended: Callable[[Peer, Link], None] = lambda peer, link: None
        self.redial: Callable[[Peer], None] = lambda peer: None  # Once the link that it has now has ended.
        self.refusals = Refusals(host.store)
        self.newcomers = Newcomers(host.store)
        self._reloaded: set[bytes] = set()  # Whose conversations are as they are on disk since the store last failed.

    def start(self) -> None:
        """Load every peer that something waits for, and find out how full the store is. Raises `Damaged`."""
        self.keeper.look()
        for did in sorted({key[:32] for key, _ in self._host.store.scan(OUTBOX)}):
            self.peer(did)

    def peer(self, did: bytes) -> Peer:
        """Return the peer; its conversation is read from the store when first asked for."""
        peer = self._peers.get(did)
        if peer is None:
            peer = Peer(did, Conversation(did, self._ours, self._host.store, self.inbox))
            self._peers[did] = peer
        return peer

    def peer_or_stranger(self, did: bytes) -> Peer:
        """Return the peer, or one that is forgotten again unless it is adopted."""
        known = self._peers.get(did)
        return known or Peer(did, Conversation(did, self._ours, self._host.store, self.inbox))

    def adopt(self, peer: Peer) -> None:
        """A stranger has proved who it is. Raises nothing; call it without a pause after the proof."""
        self._peers.setdefault(peer.did, peer)

    def let_go(self, did: bytes, writes: tuple[Put, ...], over: Callable[[], None]) -> None:
        """Delete a newcomer: what its conversation holds, and `writes`. `over` is called once that is so, or failed."""
        peer = self.peer(did)
        step = peer.conversation.forget(self.now_ms())
        self.newcomers.no_more(did)

        def granted() -> None:
            if not peer.holds and not peer.conversation.has_work:
                self._peers.pop(did, None)
            over()

        def refused(failure: TalosError) -> None:
            self._forget(peer, failure)
            over()

        self._committer.submit(Step((*step.writes, *writes)), granted=granted, refused=refused)

    def peers(self) -> list[Peer]:
        return list(self._peers.values())

    @property
    def undelivered(self) -> int:
        """Messages that wait, for all peers together."""
        return self.keeper.room.undelivered

    def now_ms(self) -> int:
        return self._host.clock.wall_ms()

    def submit(
        self, peer: Peer, step: Step, link: Link | None = None, undo: Callable[[], None] = lambda: None
    ) -> Submitted:
        """Queue a step of the peer's conversation. Call it without a pause after making the step.

        `link` is where the frames came from that led to it: that link is closed if they cannot be. What the step sends
        goes out on the link that the peer has now: if it has another by then, that one began with all there was to
        say. Whoever waits for a delivery is told at once (decision 17). `undo` puts back what else the step has changed
        in memory, should it fail, whether anybody still waits for that or not. Raises `NodeStopped`.
        """

        def refused(failure: TalosError) -> None:
            undo()
            self._forget(peer, failure)

        for effect in step.effects:
            if isinstance(effect, Delivered):  # What is on the peer's disk does not wait for ours.
                self._delivered(peer, effect.seqs)
        if peer.conversation.waits_for_room:
            self._told_busy[peer.did] = peer
        out = peer.link
        return self._committer.submit(
            step,
            granted=lambda: self._release(peer, step, link, out),
            refused=refused,
        )

    def submit_own(
        self,
        step: Step,
        granted: Callable[[], None] = lambda: None,
        refused: Callable[[TalosError], None] = lambda failure: None,
    ) -> Submitted:
        """Queue a step that is of no one conversation."""
        return self._committer.submit(step, granted=granted, refused=refused)

    def recheck(
        self, peer: Peer, log: KeyLog, writes: tuple[Put, ...] = (), undo: Callable[[], None] = lambda: None
    ) -> Submitted | None:
        """End what does not hold under the peer's key log, now; in one step with `writes`. None if nothing is to be."""
        ended, step = peer.conversation.recheck(log, self.now_ms())
        if ended and peer.link is not None:
            peer.link.close("the peer's key log has ended the session")
        if not ended and not writes:
            return None
        return self.submit(peer, Step((*writes, *step.writes), effects=step.effects), undo=undo)

    def let_go_on(self) -> None:
        """There is room again: ask for more, whoever was told BUSY."""
        for peer in list(self._told_busy.values()):
            step = peer.conversation.room_again(self.now_ms())
            if not peer.conversation.waits_for_room:  # Or it was on a link that has ended.
                del self._told_busy[peer.did]
            if step is not None:
                self.submit(peer, step)

    # Links

    def bind(self, peer: Peer, link: Link) -> bool:
        """Make an authenticated link the peer's, unless another one stays. Returns whether it is.

        Of two links that both sides dialled at once, the one dialled by the smaller DID stays, on both ends; of two
        others, the newer: whoever dialled it knows that the older is dead.
        """
        old, link.bound_at = peer.link, self._host.clock.monotonic()
        crossed = old is not None and old.dialled != link.dialled and link.bound_at - old.bound_at <= CROSSING_S
        if crossed and link.dialled != (self.did < peer.did):
            self._say_goodbye(peer, link, REPLACED)
            return False
        if old is not None:
            self._say_goodbye(peer, old, REPLACED)
            self.work_came.send()  # For whoever waits for the old one to end.
        peer.link, peer.reason = link, None
        self.submit(peer, peer.conversation.link_up(link.session_id, self.now_ms(), link.told))
        return True

    def unbind(self, peer: Peer, link: Link) -> None:
        """The link has ended."""
        self.link_ended(peer, link)
        if peer.link is link:
            peer.link, peer.reason = None, link.close_reason
            peer.conversation.link_down()
            for awaited in peer.waiting.values():
                awaited.wake()
            self.work_came.send()

    def reset(self, peer: Peer, reason: str) -> Submitted:
        """Give the peer's session up, and end its link: the next one makes a new session. Call it without a pause."""
        return self._give_up(peer, peer.conversation.reset(reason, self.now_ms()))

    def renew(self, peer: Peer) -> None:
        """Reset the session if we began it and it is worn out, which is no more often than a reset may be."""
        now = self._host.clock.monotonic()
        step = peer.conversation.renew(self.now_ms()) if now - peer.renewed_at >= RESET_LEAST_S else None
        if step is not None:
            peer.renewed_at = now
            self._give_up(peer, step)

    def _give_up(self, peer: Peer, step: Step) -> Submitted:
        submitted = self.submit(peer, step)
        if peer.link is not None:
            peer.given_up += 1
            self._say_goodbye(peer, peer.link, "its session was given up")
            self.redial(peer)
        return submitted

    def _come_apart(self, peer: Peer) -> None:
        """What the peer says cannot be opened, time and again: begin anew, but not for ever."""
        now = self._host.clock.monotonic()
        if now - peer.reset_at >= RESET_LEAST_S:
            peer.reset_at = now
            self.reset(peer, "frames of the peer did not open, on three links in a row")

    @property
    def did(self) -> bytes:
        return self._ours.did

    def _say_goodbye(self, peer: Peer, link: Link, why: str) -> None:
        """Send nothing more on `link`; it ends when the peer has read that, or soon."""
        link.drain(why)
        frame, step = peer.conversation.goodbye(self.now_ms())
        if frame is not None:
            self._committer.submit(step, granted=lambda: link.enqueue(frame), refused=lambda f: self._forget(peer, f))

    # What comes of a step

    def _release(self, peer: Peer, step: Step, link: Link | None, out: Link | None) -> None:
        broken = link or out
        if peer.link is not out:
            out = None
        for effect in step.effects:
            match effect:
                case Send(frame):
                    if out is not None:
                        out.enqueue(frame)
                case Rewound():
                    if out is not None:
                        out.drop_queued(Kind.MESSAGE)
                case HandUp(row):
                    self.inbox.arrived(row)
                    self.newcomers.no_more(peer.did)
                    peer.taken_at = self._host.clock.monotonic()
                    self.mail_came.send()
                case Kept(seq):
                    peer.conversation.kept(seq)
                    self.newcomers.no_more(peer.did)
                case Asked():
                    if peer.link is link:  # Who asked on an older one may count anew, and would not know the answer.
                        self.requests(peer, effect)
                case Answered():
                    self.requests(peer, effect)
                case Broken(reason):
                    if broken is not None:
                        broken.close(reason)
                case WentAway():
                    if link is not None:
                        link.close("the peer closed this link")
                case Unopened():
                    self._come_apart(peer)
                case WornOut():
                    self.renew(peer)
                case TurnedDown(kind, frame):
                    self._turned_down(peer, kind, frame)

    def _turned_down(self, peer: Peer, kind: Refusal, frame: bytes) -> None:
        is_old = self._host.clock.monotonic() - peer.taken_at > self._replay_window_s
        if kind is not Refusal.REPLAY or not is_old:
            self.refusals.refuse(kind, peer.did, frame, self.now_ms())

    def _delivered(self, peer: Peer, seqs: Iterable[int]) -> None:
        peer.deliveries += 1
        for seq in seqs:
            awaited = peer.waiting.get(seq)
            if awaited is not None:
                awaited.delivered = True
                awaited.wake()

    def _look_back(self) -> None:
        """A commit failed, whoever it was of: what is no one peer's goes back to what is on disk.

        Raises `StoreFailed` or `Damaged` where that cannot be read, which ends the node (see `Committer.submit`).
        """
        self._reloaded = set()
        self.inbox.load(self._host.store.scan(INBOX), restarted=False)
        self.newcomers.reload()

    def _forget(self, peer: Peer, failure: TalosError) -> None:
        """A step of the peer's failed: its conversation goes back to what is on disk, and the link starts anew.

        Raises as `_look_back` does.
        """
        if isinstance(failure, NodeStopped):
            return  # Nobody builds on memory any more.
        if peer.did not in self._reloaded:
            self._reloaded.add(peer.did)
            peer.conversation.reload()
        if peer.link is not None:
            peer.link.close(f"the store failed: {failure}")
