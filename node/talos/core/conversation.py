"""Everything between us and one peer: its sessions, what we owe it, what it has sent.

The conversation outlives links. Each call takes one event and returns a `Step`; the caller commits it and then
releases its effects, in order. Until then memory is ahead of the disk: if a commit fails, call `reload`.
"""

from __future__ import annotations

from collections.abc import Iterable

from talos.core import acts
from talos.core.budgets import OverBudget
from talos.core.content import ControlContent, GoAway, Piece, Want
from talos.core.draft import Draft
from talos.core.effects import Broken, Kept, TurnedDown, WornOut
from talos.core.entry_types import SessionEvent
from talos.core.inbox import Inbox
from talos.core.intake import UNREADABLE_MS, Intake
from talos.core.keylog import KeyLog
from talos.core.meeting import Meeting, name_of
from talos.core.outbox import AckedUnsent
from talos.core.outbox_row import Row
from talos.core.refusals import refusal_of
from talos.core.sessions import Ours
from talos.core.step import Put, Step
from talos.core.tables import NEWCOMERS, OUTBOX, Rows
from talos.core.talk import OnLink, Talk
from talos.errors import MalformedMessage
from talos_ratchet import Lane, RatchetError, Session


class Conversation(Meeting):
    """One peer. Between `link_up` and `link_down` frames go out; without a link nothing is sealed."""

    __slots__ = ()

    def __init__(self, peer: bytes, ours: Ours, rows: Rows, inbox: Inbox) -> None:
        super().__init__(peer, Talk.load(peer, ours, rows, inbox))

    def reload(self) -> None:
        """Forget what is in memory, and take what is on disk. A link that is up stays up."""
        talk = self._talk
        talk.outbox.leave()
        self._talk = Talk.load(talk.peer, talk.ours, talk.rows, talk.inbox)
        self._talk.linked, self._talk.allowance = talk.linked, talk.allowance
        self._talk.unopened = talk.unopened

    @property
    def undelivered(self) -> int:
        """Messages of ours that the peer has not acknowledged, those given up not counted."""
        return self._talk.outbox.undelivered

    @property
    def has_work(self) -> bool:
        """True if something waits for a link."""
        return bool(self._talk.outbox.rows)

    # Sending messages

    def submit(self, body: bytes, now_ms: int) -> tuple[int, Step]:
        """Accept a message for the peer. Returns its seq; the step's first entry tells of it."""
        talk = self._talk
        key = talk.outbox.key(talk.outbox.next_seq)
        row, writes = talk.outbox.accept(talk.ours.vault.seal(OUTBOX, key, body, talk.ours.entropy))
        draft = Draft(talk, now_ms)
        draft.writes += [*writes, talk.high_water.advanced(talk.outbox.next_seq)]
        ours = talk.ours
        draft.entries.append(acts.sent(ours.did, self.peer, ours.origin, row.seq, body, now_ms, ours.entropy))
        draft.keep()  # Behind it, for this may tell of sessions.
        row.body = body
        draft.effects.append(Kept(row.seq))
        draft.pump()
        return row.seq, draft.step()

    def kept(self, seq: int) -> None:
        """The message is on disk: its body need not be held in memory."""
        row = self._talk.outbox.rows.get(seq)
        if row is not None:
            row.body = None

    def void(self, seq: int, now_ms: int) -> tuple[bool, Step]:
        """Give up message `seq`, which must be undelivered. Returns whether it may have arrived."""
        row: Row = self._talk.outbox.rows[seq]
        may_have_arrived = row.was_sealed
        draft = Draft(self._talk, now_ms)
        draft.writes += self._talk.outbox.void(seq)
        ours = self._talk.ours
        draft.entries.append(acts.given_up(ours.did, self.peer, ours.origin, seq, now_ms))
        draft.pump()
        return may_have_arrived, draft.step()

    # Sessions and links, once they are greeted

    def no_session(self, session_id: bytes, now_ms: int) -> Step:
        """The peer has proved that it does not have this session."""
        lost = self._talk.sessions.archive(session_id, now_ms)
        return self._ended(SessionEvent.LOST, [] if lost is None else [lost], now_ms)

    def reset(self, reason: str, now_ms: int) -> Step:
        """Give up what is sent on: it receives for a day, and the next greeting makes a new session in its place.

        What is not acknowledged is sealed again there, under the same numbers. The step is empty if nothing was there.
        """
        draft = Draft(self._talk, now_ms)
        for session in self._talk.sessions.give_up(now_ms):
            if not self._talk.is_newcomer:
                draft.entries.append(acts.session_reset(self.peer, session.id, reason, now_ms))
        self._talk.unopened.clear()
        return draft.step()

    def renew(self, now_ms: int) -> Step | None:
        """Reset the session if we began it and it is worn out; None if it is not."""
        reason = self._talk.sessions.worn(now_ms)
        return None if reason is None else self.reset(reason, now_ms)

    @property
    def is_newcomer(self) -> bool:
        return self._talk.is_newcomer

    @property
    def is_blank(self) -> bool:
        """True if no message was ever exchanged, nor accepted for the peer."""
        return self._talk.high_water.are_none and not self._talk.outbox.rows

    def keep(self, now_ms: int) -> Step:
        """It is no newcomer any more, for somebody has added it by hand."""
        draft = Draft(self._talk, now_ms)
        draft.keep()
        return draft.step()

    def forget(self, now_ms: int) -> Step:
        """Let a newcomer go: everything it has left in this conversation is to be deleted. It must have no link."""
        talk = self._talk
        talk.sessions.forget()
        draft = Draft(talk, now_ms)
        draft.writes += [*talk.high_water.forget(), Put(NEWCOMERS, self.peer, None)]
        talk.is_newcomer = False
        return draft.step()

    def expire(self, now_ms: int) -> Step:
        """Forget sessions and skipped keys whose time is over."""
        self._talk.sessions.expire(now_ms)
        return Draft(self._talk, now_ms).step()

    def recheck(self, log: KeyLog, now_ms: int) -> tuple[bool, Step]:
        """The peer's key log has grown: end the sessions that do not hold under it. Returns whether any ended."""
        ended = self._talk.sessions.recheck(log, now_ms)
        return bool(ended), self._ended(SessionEvent.ENDED, ended, now_ms)

    def _ended(self, why: SessionEvent, sessions: Iterable[Session], now_ms: int) -> Step:
        draft = Draft(self._talk, now_ms)
        if not self._talk.is_newcomer:  # Of what was never told to have begun.
            draft.entries += [acts.session(why, self.peer, one.id, now_ms, initiated=one.initiated) for one in sessions]
        return draft.step()

    def holds(self, session_id: bytes) -> bool:
        """Say whether this session is here, whatever its state."""
        return self._talk.sessions.holds(session_id)

    def has_session(self) -> bool:
        """Say whether there is a session to resume, or to send on."""
        return self._talk.sessions.sending is not None

    def link_up(self, session_id: bytes, now_ms: int, told: bytes = b"") -> Step:
        """A bound link is there: everything undelivered is sent on it, in order, on the session it was greeted on.

        `told` are the words of ours that the peer has heard in the greeting.
        """
        self._new_link(up=True)
        heard = self._talk.told.pop(name_of(told), None)
        # What else was read since, on an older link, is sent once more on this one.
        self._talk.on_link.has_taken = heard is not None and heard != self._talk.high_water.newest
        draft = Draft(self._talk, now_ms)
        if not self._talk.sessions.use(session_id, now_ms):
            draft.effects.append(Broken("the session that the link was greeted on was given up meanwhile"))
            return draft.step()
        draft.open_lanes()
        draft.pump()
        return draft.step()

    def link_down(self) -> None:
        self._new_link(up=False)
        self._talk.sessions.rest()

    def _new_link(self, *, up: bool) -> None:
        self._talk.linked = up
        self._talk.on_link = OnLink()
        self._talk.outbox.restart()

    # Everything that arrives, and what answers it

    def receive(self, frames: Iterable[bytes], now_ms: int, steady_ms: int, *, older: bool = False) -> Step:
        """Take ratchet frames that came on a link of this peer, in order; on an `older` one if it has another by now.

        What cannot be ends the batch with a `Broken` effect; what came before it counts.
        """
        draft = Intake(self._talk, now_ms, steady_ms, older=older)
        for frame in frames:
            try:
                draft.frame(frame)
            except (RatchetError, MalformedMessage, AckedUnsent, OverBudget) as error:
                draft.effects += [TurnedDown(refusal_of(error), frame), Broken(str(error))]
                break
        draft.acknowledge()
        draft.pump()
        if self._talk.linked and self._talk.sessions.worn(now_ms) is not None:
            draft.effects.append(WornOut())
        return draft.step()

    def is_stuck(self, steady_ms: int) -> bool:
        """Say whether the link is of no use: its messages do not open, and asking for new frames has not helped."""
        since = self._talk.on_link.unreadable_since
        return since is not None and steady_ms - since >= UNREADABLE_MS

    def say(self, content: ControlContent, now_ms: int) -> Step:
        """Send one control frame, if there is a link; control is never queued."""
        draft = Draft(self._talk, now_ms)
        draft.say(content)
        return draft.step()

    def goodbye(self, now_ms: int) -> tuple[bytes | None, Step]:
        """Return a GOAWAY frame, for a link that is not to be used any more; None if no session can say it."""
        session = self._talk.sessions.of_link
        frame = None
        if session is not None and session.can_send(Lane.CONTROL):
            frame = self._talk.sessions.seal(session, Lane.CONTROL, GoAway().encode())
        return frame, Draft(self._talk, now_ms).step()

    def pieces(self, pieces: Iterable[Piece], now_ms: int) -> Step:
        """Send pieces on the bulk lane, if there is a link; bulk is never queued."""
        draft = Draft(self._talk, now_ms)
        for piece in pieces:
            draft.piece(piece.encode())
        return draft.step()

    @property
    def waits_for_room(self) -> bool:
        """True while the peer was told BUSY, and not to go on."""
        return self._talk.on_link.held_origin is not None

    def room_again(self, now_ms: int) -> Step | None:
        """The inbox has room again: ask a peer that was told BUSY to go on. None if it was not."""
        on_link = self._talk.on_link
        origin = on_link.held_origin
        if origin is None or not self._talk.inbox.has_slack(self.peer):
            return None
        on_link.held_origin = None
        seq = self._talk.high_water.high(origin) + 1
        on_link.wanted = (origin, seq)  # What was sent before the BUSY was heard is no new gap.
        return self.say(Want(origin, seq, reseal=False), now_ms)
