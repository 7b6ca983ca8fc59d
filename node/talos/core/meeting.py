"""How a conversation comes to a link: the three words of a greeting, of both sides (see `talos.core.greeting`).

Each is told what it answers, and names it. Nothing is taken that answers anything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from types import UnionType

from talos.core.allowance import Deed
from talos.core.content import Marks, Proof, Welcome
from talos.core.content_read import decode_control
from talos.core.draft import Draft
from talos.core.intake import Intake
from talos.core.step import Put, Step
from talos.core.talk import Talk
from talos.errors import MalformedMessage
from talos_ratchet import Bundle, Lane, Offer, Opening, OutOfTurn, Prekeys, Session


class Meeting:
    """One peer, met on one link after another."""

    __slots__ = ("_talk", "peer")

    def __init__(self, peer: bytes, talk: Talk) -> None:
        self.peer = peer
        self._talk = talk

    def resume(self, now_ms: int) -> tuple[bytes, bytes, Step] | None:
        """Return session id, control frame and step to resume a session with; None if there is none."""
        session = self._talk.sessions.sending
        if session is None:
            return None
        frame = self._talk.sessions.seal(session, Lane.CONTROL, self._talk.marks().encode())
        self._talk.told_in(name_of(frame))
        return session.id, frame, Draft(self._talk, now_ms).step()

    def resumed(self, frame: bytes, now_ms: int) -> tuple[bytes, Step]:
        """Take a dialler's resuming frame; returns our answering frame.

        Raises, changing nothing, `RatchetError` where no session of ours opens it, `MalformedMessage` or `AckedUnsent`
        where it makes no sense.
        """
        session, draft = self._bind(frame, Marks, now_ms, answers=b"")
        answer = self._talk.sessions.seal(session, Lane.CONTROL, self._talk.marks(name_of(frame)).encode())
        self._talk.told_in(name_of(answer))
        return answer, draft.step()

    def answered(self, frame: bytes, asked: bytes, now_ms: int) -> tuple[bytes, bytes, Step]:
        """Take the responder's answer to what we `asked`, the frame of `resume` or the opening of `open`.

        Returns session id, proof of us and step. Raises, changing nothing, `RatchetError` if it does not
        authenticate, was taken before or answers something else; `MalformedMessage` or `AckedUnsent` if it is
        authentic, and makes no sense.
        """
        session, draft = self._bind(frame, Marks | Welcome, now_ms, answers=name_of(asked))
        proof = self._talk.sessions.seal(session, Lane.CONTROL, Proof(name_of(frame)).encode())
        return session.id, proof, draft.step()

    def proved(self, frame: bytes, answer: bytes, now_ms: int, steady_ms: int) -> tuple[bytes, Step]:
        """Take the dialler's proof of our `answer`; returns session id and step. Raises as `answered` does.

        `steady_ms` is on the monotonic clock, here and below: what a peer may do in a minute is no matter of the date.
        """
        session, draft = self._bind(frame, Proof, now_ms, answers=name_of(answer))
        if self.may_greet(steady_ms):  # Two greetings may have been let in on the last one.
            self._talk.allowance.charge(Deed.GREETING, steady_ms)
        return session.id, draft.step()

    def _bind(
        self, frame: bytes, expected: type[Marks | Proof] | UnionType, now_ms: int, *, answers: bytes
    ) -> tuple[Session, Intake]:
        session, opened = self._talk.sessions.open(Lane.CONTROL, frame, now_ms)
        content = decode_control(opened.plaintext)
        if not isinstance(content, expected):
            raise MalformedMessage(f"{type(content).__name__} does not bind a link now")
        if session.superseded_ms is not None:
            raise OutOfTurn("the session only receives from now on: no link is greeted on it")
        words = content.marks if isinstance(content, Welcome) else content
        if words.answers != answers:
            raise OutOfTurn("the words answer others, of another link: a recording may have been played")
        draft = Intake(self._talk, now_ms)
        # All that can be refused is refused before anything moves: memory that moves in vain is ahead of the disk.
        if isinstance(words, Marks):
            draft.check(words)
        if isinstance(content, Welcome):
            self._talk.sessions.open_lanes(session, content.lane_keys)
        draft.take(session, Lane.CONTROL, opened)
        if isinstance(words, Marks):
            draft.control(words, session)
        return session, draft

    def open(self, party: bytes, bundle: Bundle, offer: Offer | None, now_ms: int) -> tuple[bytes, Step]:
        """Start a session with the peer's checked `party`; returns the opening. It carries marks, no message."""
        first = self._talk.marks().encode()
        opening = self._talk.sessions.start(party, bundle, offer, first, now_ms=now_ms)
        self._talk.told_in(name_of(opening))
        return opening, Draft(self._talk, now_ms).step()

    def accept(
        self,
        opening: Opening,
        agreement: bytes,
        prekeys: Prekeys,
        consumed: Iterable[Put],
        now_ms: int,
        *,
        arrival: Put | None = None,
    ) -> tuple[bytes, Step]:
        """Accept the peer's opening; returns the WELCOME frame. `consumed` goes into the same step.

        So does `arrival`, which makes the peer a newcomer. `agreement` is the X25519 key of the opening's party,
        already checked against its key log.
        Raises `RatchetError`, changing nothing, if it does not authenticate.
        """
        session = self._talk.sessions.accept(opening, agreement, prekeys, now_ms=now_ms).session
        welcome = Welcome(self._talk.sessions.lane_keys(session), self._talk.marks(name_of(opening.encode())))
        frame = self._talk.sessions.seal(session, Lane.CONTROL, welcome.encode())
        self._talk.told_in(name_of(frame))
        draft = Draft(self._talk, now_ms)
        draft.writes += consumed
        if arrival is not None:
            self._talk.is_newcomer = True
            draft.writes.append(arrival)
        return frame, draft.step()

    def may_greet(self, steady_ms: int) -> bool:
        """Say whether the peer may bind another link now. Only what it has proved counts against it."""
        return self._talk.allowance.has(Deed.GREETING, steady_ms)


def name_of(words: bytes) -> bytes:
    """Return what names the words of a greeting to whoever answers them."""
    return sha256(words).digest()
