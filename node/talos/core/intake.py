"""Receiving: what each frame of a peer makes happen, and where the ratchet stays as it was."""

from __future__ import annotations

from typing import Final

from talos.core import acts
from talos.core.allowance import Deed
from talos.core.content import (
    Ack,
    Busy,
    Cancel,
    ControlContent,
    GoAway,
    Marks,
    MessageContent,
    OpenContent,
    Ping,
    Pong,
    Proof,
    Reply,
    Request,
    VoidContent,
    Want,
    Welcome,
)
from talos.core.content_read import decode_bulk, decode_control, decode_message
from talos.core.draft import Draft
from talos.core.effects import Answered, Asked, Delivered, HandUp, Rewound, TurnedDown, Unopened, WentAway
from talos.core.entry_types import Refusal
from talos.core.marks import ORIGINS_MAX
from talos.core.newcomers import NEWCOMER_LATE_MAX
from talos.core.outbox import WINDOW_ROWS
from talos.core.tables import INBOX
from talos.core.talk import Talk
from talos.core.vault import OVERHEAD
from talos.errors import MalformedMessage
from talos_ratchet import LATE_KEYS_MAX, Duplicate, Lane, Opened, RatchetError, Session

# Frames on the message lane that nothing opens. So many may be under way before our WANT is heard; more are an attack.
UNREADABLE_MAX: Final = WINDOW_ROWS
UNREADABLE_MS: Final = 10_000  # For which nothing opens: what was under way is here by then, and the new frames too.
UNOPENED_MAX: Final = 3  # Links in a row on which a lane cannot be read: asking for new frames has not helped twice.
LANES: Final = {int(lane): lane for lane in Lane}  # A tenth of the time that `Lane(number)` takes.
# Looked up once: in Python 3.11 each `Lane.MESSAGE` takes 70 ns.
MESSAGE: Final = Lane.MESSAGE
BULK: Final = Lane.BULK
SIGNATURE: Final = Refusal.SIGNATURE
REFUSED: Final = Deed.REFUSED
PASSED_OVER: Final = Deed.PASSED_OVER


class Intake(Draft):
    """A draft that takes frames. A message that is not the next one is opened, and never taken.

    What the peer makes us do is charged to it at `steady_ms` on the monotonic clock; nothing is where there is none: a
    greeting is charged as a whole. Frames may come on an `older` link than the peer has now, which is read to its end.
    """

    __slots__ = ("_acks", "_is_older", "_steady_ms")

    def __init__(self, talk: Talk, now_ms: int, steady_ms: int | None = None, *, older: bool = False) -> None:
        super().__init__(talk, now_ms)
        self._steady_ms = steady_ms
        self._is_older = older
        self._acks: dict[bytes, None] = {}  # Origins to acknowledge, in order.

    def frame(self, frame: bytes) -> None:
        """Take one ratchet frame.

        Raises `RatchetError`, `MalformedMessage`, `AckedUnsent` or `OverBudget`: close the link.
        """
        lane = LANES[frame[0] & 0x0F]
        if lane is MESSAGE and self._talk.on_link.held_origin is not None:
            return  # Sent before our BUSY was heard; it comes again when we WANT it, so it is not worth opening.
        try:
            session, opened = self._talk.sessions.open(lane, frame, self._now_ms)
        except Duplicate:
            # The peer did not hear that we have it, or a link died in between. Say it once more.
            if lane is MESSAGE:
                self._turn_down(Refusal.REPLAY, frame)
                self._acks[self._talk.high_water.last_origin] = None
                if not self._talk.on_link.has_taken:
                    # The peer heard in the greeting how far we are: this is what we lack, and its key is gone unread.
                    self._cannot_read()
            return
        except RatchetError:
            if lane is not MESSAGE:
                self._not_opened(lane)
                raise
            self._turn_down(SIGNATURE, frame)
            self._cannot_read()
            return
        if self._talk.unopened:
            self._talk.unopened.pop(lane, None)
        self._charge(PASSED_OVER, opened.passed)
        if lane is MESSAGE:
            self._message(session, opened, frame)
        elif lane is BULK:
            piece = decode_bulk(opened.plaintext)
            self.take(session, lane, opened)
            if isinstance(piece, OpenContent):
                self._charge(Deed.OPEN)
            else:
                self.effects.append(Answered(piece))
        else:
            content = decode_control(opened.plaintext)
            self.take(session, lane, opened)
            self.control(content, session)

    def _charge(self, deed: Deed, times: int = 1) -> None:
        if times and self._steady_ms is not None:
            self._talk.allowance.charge(deed, self._steady_ms, times)

    def _turn_down(self, kind: Refusal, frame: bytes) -> None:
        self.effects.append(TurnedDown(kind, frame))
        if self._steady_ms is not None:
            self._talk.allowance.charge(REFUSED, self._steady_ms)

    def take(self, session: Session, lane: Lane, opened: Opened) -> None:
        """Let the session move, and notice when that shows that the peer holds it too."""
        late_max = LATE_KEYS_MAX
        if self._talk.is_newcomer:  # Its first messages may all have been under way when a link ended.
            late_max = WINDOW_ROWS if lane is MESSAGE else NEWCOMER_LATE_MAX
        if self._talk.sessions.take(session, lane, opened, late_max):
            self.established(session)

    def _cannot_read(self) -> None:
        """Nothing opens a frame of the message lane: ask for a new one, a bounded number of times."""
        talk = self._talk
        self._not_opened(MESSAGE)
        talk.on_link.unreadable += 1
        if talk.on_link.unreadable > UNREADABLE_MAX:
            raise MalformedMessage(f"more than {UNREADABLE_MAX} frames that no session opens")
        if talk.on_link.unreadable == 1:
            origin = talk.high_water.last_origin
            talk.on_link.unreadable_since = self._steady_ms
            self.say(Want(origin, talk.high_water.high(origin) + 1, reseal=True))

    def _not_opened(self, lane: Lane) -> None:
        """Count a link on which this lane cannot be read, and say so when there were enough in a row."""
        talk = self._talk
        if not talk.linked or lane in talk.on_link.unopened:
            return
        talk.on_link.unopened.add(lane)
        talk.unopened[lane] = talk.unopened.get(lane, 0) + 1
        if talk.unopened[lane] >= UNOPENED_MAX:
            self.effects.append(Unopened())

    def _message(self, session: Session, opened: Opened, frame: bytes) -> None:
        """Take a message if it is the next one and there is room; otherwise the session does not move."""
        talk = self._talk
        talk.on_link.unreadable, talk.on_link.unreadable_since = 0, None
        content = decode_message(opened.plaintext)
        if isinstance(content, OpenContent):
            self.take(session, MESSAGE, opened)
            self._charge(Deed.OPEN)
            return
        if not talk.high_water.has_place(content.origin):
            raise MalformedMessage(f"the peer sends from more than {ORIGINS_MAX} origins")
        high = talk.high_water.high(content.origin)
        last = content.seq + (content.count if isinstance(content, VoidContent) else 1) - 1
        if last <= high:
            self.take(session, MESSAGE, opened)
            self._acks[content.origin] = None
            self._turn_down(Refusal.REPLAY, frame)
        elif content.seq > high + 1:
            self._want(content.origin, high + 1)
        elif isinstance(content, MessageContent) and not self._fits(content):
            talk.on_link.held_origin = content.origin
            self.say(Busy(content.origin, content.seq))
        else:
            self.take(session, MESSAGE, opened)
            talk.on_link.has_taken = True
            self.writes += talk.high_water.took(content.origin, last)
            self._acks[content.origin] = None
            if isinstance(content, MessageContent):
                self._store(content)

    def _want(self, origin: bytes, seq: int) -> None:
        on_link = self._talk.on_link
        if on_link.held_origin is None and on_link.wanted != (origin, seq):
            on_link.wanted = (origin, seq)
            self.say(Want(origin, seq, reseal=False))

    def _fits(self, content: MessageContent) -> bool:
        return self._talk.inbox.has_room(self._talk.peer, len(content.body) + OVERHEAD)

    def _store(self, content: MessageContent) -> None:
        self.keep()
        inbox, ours = self._talk.inbox, self._talk.ours
        sealed = ours.vault.seal(INBOX, inbox.next_key, content.body, ours.entropy)
        row, write = inbox.add(self._talk.peer, content.origin, content.seq, sealed, self._now_ms)
        self.writes.append(write)
        peer, now_ms = self._talk.peer, self._now_ms
        self.entries.append(
            acts.received(ours.did, peer, content.origin, content.seq, content.body, now_ms, ours.entropy)
        )
        self.effects.append(HandUp(row))

    def acknowledge(self) -> None:
        """Say once for the whole batch how far we are."""
        for origin in self._acks:
            self.say(Ack(origin, self._talk.high_water.high(origin)))
        self._acks = {}

    def control(self, content: ControlContent, session: Session) -> None:
        """Act on one control frame of `session`, which has been taken."""
        match content:
            case Welcome():
                if not session.initiated:
                    raise MalformedMessage("WELCOME from the side that opened the session")
                self._talk.sessions.open_lanes(session, content.lane_keys)
                self._marks(content.marks)
            case Marks():
                self._marks(content)
            case Ack(origin, high):
                self._acked(origin, high)
            case Want() | Busy():
                self._redirected(content)
            case Ping():
                self._charge(Deed.PING)
                self.say(Pong())
            case Request() | Cancel():
                self._charge(Deed.REQUEST)
                self.effects.append(Asked(content))
            case Reply():
                self.effects.append(Answered(content))
            case GoAway():
                self.effects.append(WentAway())
            case Proof():
                raise MalformedMessage("PROOF on a link that is bound")
            case Pong():
                pass

    def check(self, marks: Marks) -> None:
        """Raises `AckedUnsent` if the marks lie; changes nothing."""
        if marks.acked_origin == self._talk.ours.origin:
            self._talk.outbox.covered(marks.high)

    def _marks(self, marks: Marks) -> None:
        self._acked(marks.acked_origin, marks.high)

    def _acked(self, origin: bytes, high: int) -> None:
        if origin == self._talk.ours.origin:
            delivered, writes = self._talk.outbox.acked(high)
            self._talk.allowance.give_back(Deed.RESENT, len(delivered))
            self.writes += writes
            if delivered:
                ours = self._talk.ours
                self.entries += acts.delivered(ours.did, self._talk.peer, ours.origin, delivered, self._now_ms)
                self.effects.append(Delivered(tuple(delivered)))

    def _redirected(self, content: Want | Busy) -> None:
        if self._is_older:
            return  # The newer link began with all that waits, and whoever was busy on the older one has forgotten it.
        if content.origin != self._talk.ours.origin and not (isinstance(content, Want) and content.reseal):
            return
        outbox = self._talk.outbox
        # A peer that has nothing of this origin yet cannot name it: then it lacks all of it.
        seq = content.seq if content.origin == self._talk.ours.origin else 1
        self._charge(Deed.RESENT, max(1, outbox.under_way(seq)))
        self.effects.append(Rewound())
        if isinstance(content, Busy):
            outbox.block(seq)
        elif content.reseal:
            outbox.reseal(seq)
        else:
            outbox.rewind(seq)
