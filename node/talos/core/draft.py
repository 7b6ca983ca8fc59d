"""One step of a conversation while it is being written: rows, effects, and what a frame makes happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

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
    Reply,
    Request,
    VoidContent,
    Want,
    Welcome,
)
from talos.core.content_read import decode_bulk, decode_control, decode_message
from talos.core.effects import Answered, Asked, Broken, Confirmed, Delivered, Effect, HandUp, Send, WentAway
from talos.core.inbox import Inbox
from talos.core.marks import ORIGINS_MAX, HighWater
from talos.core.outbox import SESSION_ID_SIZE, WINDOW_ROWS, Outbox, Phase, Row, body_of
from talos.core.sessions import Ours, Rows, Sessions
from talos.core.step import Put, Step
from talos.core.tables import FRAMES, INBOX, OUTBOX
from talos.core.vault import OVERHEAD
from talos.errors import Damaged, MalformedMessage
from talos_ratchet import Duplicate, Lane, Opened, RatchetError, Session

# Frames on the message lane that nothing opens. So many may be under way before our WANT is heard; more are an attack.
UNREADABLE_MAX: Final = WINDOW_ROWS


@dataclass(slots=True)
class OnLink:
    """What is remembered for one link only."""

    wanted: int = 0  # The seq last asked for again, so that one gap is one WANT.
    held_origin: bytes | None = None  # The peer was told BUSY for this origin.
    unreadable: int = 0  # Since the last message that could be opened.
    has_taken: bool = False  # A message has been taken since the link came up.


@dataclass(slots=True)
class Talk:
    """The state of a conversation; only its `Draft` changes it."""

    peer: bytes
    ours: Ours
    rows: Rows
    inbox: Inbox
    sessions: Sessions
    high_water: HighWater
    outbox: Outbox
    linked: bool = False
    greeted_on: bytes | None = None  # The session of the link that comes up next.
    on_link: OnLink = field(default_factory=OnLink)

    def marks(self) -> Marks:
        """Who we are as a sender, and how far we have the peer's messages."""
        theirs = self.high_water.last_origin
        return Marks(self.ours.origin, theirs, self.high_water.high(theirs))


class Draft:
    """Collects what one event wants; `step` closes it."""

    __slots__ = ("_acks", "_now_ms", "_talk", "effects", "writes")

    def __init__(self, talk: Talk, now_ms: int) -> None:
        self._talk = talk
        self._now_ms = now_ms
        self._acks: dict[bytes, None] = {}
        self.writes: list[Put] = []
        self.effects: list[Effect] = []

    def step(self) -> Step:
        """Close the draft. The sessions' rows are sealed once, however many frames moved them."""
        return Step((*self.writes, *self._talk.sessions.changes()), effects=tuple(self.effects))

    # Sending

    def pump(self) -> None:
        """Send as much of the outbox as link, session and window allow."""
        talk = self._talk
        session = talk.sessions.sending(self._now_ms) if talk.linked else None
        if session is None or not session.can_send(Lane.MESSAGE):
            return
        while (row := talk.outbox.next_to_send()) is not None:
            try:
                frame = self._frame_of(row, session)
            except (RatchetError, Damaged) as error:
                # What this step has gathered must not be lost with it: memory has moved already.
                self.effects.append(Broken(f"message {row.seq} cannot be sent: {error}"))
                return
            self.effects.append(Send(frame))
            talk.outbox.sent(row)

    def _frame_of(self, row: Row, session: Session) -> bytes:
        """Return the row's stored frame, or make and store one if it has none in this session."""
        outbox, key = self._talk.outbox, self._talk.outbox.key(row.seq)
        if row.session_id == session.id:
            if row.frame is None:
                stored = self._talk.rows.get(FRAMES, key)
                if stored is None:
                    raise Damaged(f"outbox row {row.seq} has lost its frame")
                row.frame = stored[SESSION_ID_SIZE:]
            return row.frame
        content: MessageContent | VoidContent
        if row.phase is Phase.VOID:
            content = VoidContent(self._talk.ours.origin, row.seq, row.count)
        else:
            content = MessageContent(self._talk.ours.origin, row.seq, self._body(row, key))
        frame = self._talk.sessions.seal(session, Lane.MESSAGE, content.encode())
        self.writes += outbox.sealed(row, session.id, frame)
        return frame

    def _body(self, row: Row, key: bytes) -> bytes:
        if row.body is not None:
            return row.body
        stored = self._talk.rows.get(OUTBOX, key)
        if stored is None:
            raise Damaged("an outbox row has lost its body")
        return self._talk.ours.vault.open(OUTBOX, key, body_of(stored))

    def say(self, content: ControlContent) -> None:
        """Send one control frame, if there is a link; control is never queued."""
        self._seal_and_send(Lane.CONTROL, content.encode())

    def piece(self, encoded: bytes) -> None:
        self._seal_and_send(Lane.BULK, encoded)

    def _seal_and_send(self, lane: Lane, plaintext: bytes) -> None:
        session = self._talk.sessions.sending(self._now_ms) if self._talk.linked else None
        if session is None or not session.can_send(lane):
            return
        try:
            self.effects.append(Send(self._talk.sessions.seal(session, lane, plaintext)))
        except RatchetError as error:
            self.effects.append(Broken(f"lane {lane.name} cannot be used: {error}"))

    def open_lanes(self) -> None:
        """Let the responder of the session send on every lane: it cannot before it has heard us there.

        Where it has sent, it could; one more OPEN would only overtake the stored frames, and cost it a key for each.
        """
        session = self._talk.sessions.sending(self._now_ms)
        if session is not None and session.initiated:
            for lane in (Lane.MESSAGE, Lane.BULK):
                ratchet = session.lane(lane)
                if ratchet is not None and not ratchet.chain:
                    self.effects.append(Send(self._talk.sessions.seal(session, lane, OpenContent().encode())))

    # Receiving

    def frame(self, frame: bytes) -> None:
        """Take one ratchet frame. Raises `RatchetError`, `MalformedMessage` or `AckedUnsent`: close the link."""
        lane = Lane(frame[0] & 0x0F)
        try:
            session, opened = self._talk.sessions.open(lane, frame, self._now_ms)
        except Duplicate:
            # The peer did not hear that we have it, or a link died in between. Say it once more.
            if lane is Lane.MESSAGE:
                self._acks[self._talk.high_water.last_origin] = None
                if not self._talk.on_link.has_taken:
                    # The peer heard in the greeting how far we are: this is what we lack, and its key is gone unread.
                    self._cannot_read()
            return
        except RatchetError:
            if lane is not Lane.MESSAGE:
                raise
            self._cannot_read()
            return
        if lane is Lane.MESSAGE:
            self._message(session, opened)
        elif lane is Lane.BULK:
            piece = decode_bulk(opened.plaintext)
            self.take(session, lane, opened)
            if not isinstance(piece, OpenContent):
                self.effects.append(Answered(piece))
        else:
            content = decode_control(opened.plaintext)
            self.take(session, lane, opened)
            self.control(content, session)

    def take(self, session: Session, lane: Lane, opened: Opened) -> None:
        """Let the session move, and notice when that shows that the peer holds it too."""
        before = session.confirmed
        session.take(lane, opened)
        if session.confirmed and not before:
            self.effects.append(Confirmed(session.id))

    def _cannot_read(self) -> None:
        """Nothing opens a frame of the message lane: ask for a new one, a bounded number of times."""
        talk = self._talk
        talk.on_link.unreadable += 1
        if talk.on_link.unreadable > UNREADABLE_MAX:
            raise MalformedMessage(f"more than {UNREADABLE_MAX} frames that no session opens")
        origin = talk.high_water.last_origin
        if talk.on_link.unreadable == 1:
            self.say(Want(origin, talk.high_water.high(origin) + 1, reseal=True))

    def _message(self, session: Session, opened: Opened) -> None:
        """Take a message if it is the next one and there is room; otherwise the session does not move."""
        talk = self._talk
        talk.on_link.unreadable = 0
        content = decode_message(opened.plaintext)
        if isinstance(content, OpenContent):
            self.take(session, Lane.MESSAGE, opened)
            return
        if not talk.high_water.has_place(content.origin):
            raise MalformedMessage(f"the peer sends from more than {ORIGINS_MAX} origins")
        high = talk.high_water.high(content.origin)
        last = content.seq + (content.count if isinstance(content, VoidContent) else 1) - 1
        if last <= high:
            self.take(session, Lane.MESSAGE, opened)
            self._acks[content.origin] = None
        elif content.seq > high + 1:
            self._want(content.origin, high + 1)
        elif isinstance(content, MessageContent) and not self._fits(content):
            talk.on_link.held_origin = content.origin
            self.say(Busy(content.origin, content.seq))
        else:
            self.take(session, Lane.MESSAGE, opened)
            talk.on_link.has_taken = True
            self.writes += talk.high_water.took(content.origin, last)
            self._acks[content.origin] = None
            if isinstance(content, MessageContent):
                self._store(content)

    def _want(self, origin: bytes, seq: int) -> None:
        on_link = self._talk.on_link
        if on_link.held_origin is None and on_link.wanted != seq:
            on_link.wanted = seq
            self.say(Want(origin, seq, reseal=False))

    def _fits(self, content: MessageContent) -> bool:
        return self._talk.inbox.has_room(self._talk.peer, len(content.body) + OVERHEAD)

    def _store(self, content: MessageContent) -> None:
        inbox, ours = self._talk.inbox, self._talk.ours
        sealed = ours.vault.seal(INBOX, inbox.next_key, content.body, ours.entropy)
        row, write = inbox.add(self._talk.peer, content.origin, content.seq, sealed, self._now_ms)
        self.writes.append(write)
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
                self.say(Pong())
            case Request() | Cancel():
                self.effects.append(Asked(content))
            case Reply():
                self.effects.append(Answered(content))
            case GoAway():
                self.effects.append(WentAway())
            case Pong() | OpenContent():
                pass

    def _marks(self, marks: Marks) -> None:
        self._acked(marks.acked_origin, marks.high)

    def _acked(self, origin: bytes, high: int) -> None:
        if origin == self._talk.ours.origin:
            delivered, writes = self._talk.outbox.acked(high)
            self.writes += writes
            if delivered:
                self.effects.append(Delivered(tuple(delivered)))

    def _redirected(self, content: Want | Busy) -> None:
        if content.origin != self._talk.ours.origin and not (isinstance(content, Want) and content.reseal):
            return
        outbox = self._talk.outbox
        if isinstance(content, Busy):
            outbox.block(content.seq)
        elif content.reseal:
            # A peer that has nothing of this origin yet cannot name it: then it lacks all of it.
            outbox.reseal(content.seq if content.origin == self._talk.ours.origin else 1)
        else:
            outbox.rewind(content.seq)
