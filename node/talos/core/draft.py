"""One step of a conversation while it is being written: rows, entries of the audit log, effects, what is sent."""

from __future__ import annotations

from talos.core import acts
from talos.core.content import (
    ControlContent,
    MessageContent,
    OpenContent,
    VoidContent,
)
from talos.core.effects import Broken, Effect, Send
from talos.core.entries import Entry
from talos.core.entry_types import SessionEvent
from talos.core.outbox import SESSION_ID_SIZE, body_of
from talos.core.outbox_row import Phase, Row
from talos.core.step import Put, Step
from talos.core.tables import FRAMES, NEWCOMERS, OUTBOX
from talos.core.talk import Talk
from talos.errors import Damaged
from talos_ratchet import Lane, RatchetError, Session


class Draft:
    """Collects what one event wants; `step` closes it."""

    __slots__ = ("_now_ms", "_talk", "effects", "entries", "writes")

    def __init__(self, talk: Talk, now_ms: int) -> None:
        self._talk = talk
        self._now_ms = now_ms
        self.writes: list[Put] = []
        self.entries: list[Entry] = []
        self.effects: list[Effect] = []

    def step(self) -> Step:
        """Close the draft. The sessions' rows are sealed once, however many frames moved them."""
        writes = (*self.writes, *self._talk.sessions.changes())
        return Step(writes, tuple(self.entries), tuple(self.effects))

    def keep(self) -> None:
        """A message is exchanged: whoever was a newcomer is none from this step on, and its sessions are told of."""
        talk = self._talk
        if talk.is_newcomer:
            talk.is_newcomer = False
            self.writes.append(Put(NEWCOMERS, talk.peer, None))
            for session in talk.sessions.confirmed():
                self.established(session)

    def established(self, session: Session) -> None:
        """Tell the audit log of a session. A newcomer's waits: else strangers could fill the log with theirs."""
        if not self._talk.is_newcomer:
            begun = SessionEvent.ESTABLISHED
            self.entries.append(
                acts.session(begun, self._talk.peer, session.id, self._now_ms, initiated=session.initiated)
            )

    def pump(self) -> None:
        """Send as much of the outbox as link, session and window allow."""
        talk = self._talk
        session = talk.sessions.sending if talk.linked else None
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
        session = self._talk.sessions.sending if self._talk.linked else None
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
        session = self._talk.sessions.sending
        if session is not None and session.initiated:
            for lane in (Lane.MESSAGE, Lane.BULK):
                ratchet = session.lane(lane)
                if ratchet is not None and not ratchet.chain:
                    self.effects.append(Send(self._talk.sessions.seal(session, lane, OpenContent().encode())))
