"""How two ends come to a link and talk: greeted as the services greet, and broken off wherever a test likes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from talos.core.content import ControlContent
from talos.core.content_read import decode_control
from talos.core.effects import Send
from talos.core.inbox import PEER_ROWS_MAX
from talos.core.outbox_row import Row
from talos.core.step import Step
from talos.core.tables import INBOX
from talos_ratchet import Duplicate, Lane, RatchetError, read_opening
from tests.node.core.end import End, Wire, cut


def pair(run: str = "") -> tuple[End, End]:
    a, b = End("a", run), End("b", run)
    a.peer, b.peer = b, a
    for end in (a, b):
        end.load()
    return a, b


@dataclass
class Heard:
    """What somebody on the road has written down of greetings: to whom it went, and what it was."""

    openings: list[tuple[End, bytes]] = field(default_factory=list)
    resumings: list[tuple[End, bytes]] = field(default_factory=list)
    taken: set[bytes] = field(default_factory=set)  # Openings that are on the disk of whom they went to.


def greeting(dialler: End, heard: Heard | None = None) -> Iterator[None]:
    """Dial and greet; every yield is a message under way. Ends early where a service would give up."""
    wire, answerer, heard = Wire(dialler), dialler.peer, heard or Heard()
    dialler.renew()
    resumed = dialler.conversation.resume(dialler.now_ms)
    if resumed is not None:
        session_id, frame, step = resumed
        commit(dialler, step, frame)
        heard.resumings.append((answerer, frame))
        yield
        answerer.renew()
        try:
            answer, step = answerer.conversation.resumed(frame, answerer.now_ms)
        except Duplicate:
            return
        except RatchetError:
            yield
            commit(dialler, dialler.conversation.no_session(session_id, dialler.now_ms))
        else:
            commit(answerer, step, answer)
            yield
            yield from proof(wire, frame, answer)
            return
    opening, step = dialler.conversation.open(answerer.party, answerer.bundle(), None, dialler.now_ms)
    commit(dialler, step, opening)
    heard.openings.append((answerer, opening))
    yield
    try:
        welcome, step = answerer.accept(read_opening(opening))
    except RatchetError:
        return
    assert opening not in heard.taken, "one opening was taken twice"
    heard.taken.add(opening)
    commit(answerer, step, welcome)
    yield
    yield from proof(wire, opening, welcome)


def proof(wire: Wire, asked: bytes, answer: bytes) -> Iterator[None]:
    """The third word, after which the link is bound: first by the dialler, then by who answers."""
    dialler, answerer = wire.dialler, wire.dialler.peer
    try:
        session_id, said, step = dialler.conversation.answered(answer, asked, dialler.now_ms)
    except RatchetError:
        return
    commit(dialler, step, said)
    take_over(dialler, wire, session_id, asked)
    yield
    if wire.is_cut:
        return
    try:
        session_id, step = answerer.conversation.proved(said, answer, answerer.now_ms, answerer.steady_ms)
    except RatchetError:
        cut(wire)
        return
    commit(answerer, step)
    if not wire.is_cut:
        take_over(answerer, wire, session_id, answer)


def take_over(end: End, wire: Wire, session_id: bytes, told: bytes) -> None:
    """Bind the wire as `services.post` does: of two that both dialled the smaller DID's stays, else the newer.

    `told` are the words of this end that the other has heard.
    """
    old = end.wire
    if old is not None and old.dialler is not wire.dialler and wire.dialler.did > wire.dialler.peer.did:
        cut(wire)
        return
    if old is not None:
        cut(old)
    end.bind(wire, session_id, told)


def commit(end: End, step: Step, *said: bytes) -> None:
    """Put a step on disk, and only then say what goes with it."""
    end.submit(step)
    end.flush()
    for frame in said:
        end.says(frame)


def connect(dialler: End) -> None:
    for _ in greeting(dialler):
        pass


def settle(*ends: End, rounds: int = 200) -> None:
    """Commit and deliver until nothing is under way."""
    for _ in range(rounds):
        for end in ends:
            end.flush()
        if not sum(end.receive() for end in ends) and not any(end.queue for end in ends):
            return
    raise AssertionError("two ends talk without end")


def clear_up(*ends: End) -> None:
    """Let the weather clear, with every link broken: both read all, and either dials while there is no link."""
    for number in range(20):
        for end in ends:
            end.flush()
            for row in end.held:
                end.done(row)
            end.held = []
            while end.read() is not None:
                pass
        if ends[0].wire is None:
            connect(ends[number % 2])
        settle(*ends)
        if not any(end.conversation.has_work or end.inbox.not_done for end in ends):
            return
    raise AssertionError("the weather is clear, and messages still wait")


def linked(run: str = "") -> tuple[End, End]:
    """Return two ends with a session and a link."""
    a, b = pair(run)
    connect(a)
    settle(a, b)
    return a, b


def frames_of(step: Step) -> list[bytes]:
    return [effect.frame for effect in step.effects if isinstance(effect, Send)]


def tell(end: End, lane: Lane, plaintext: bytes) -> None:
    """Put an authentic frame on the link, with whatever in it: what a peer could say if it wanted to."""
    sessions = end.conversation._talk.sessions
    session = sessions.sending
    assert session is not None
    assert end.wire is not None
    end.flush()
    end.wire.to(end.peer.name).append(sessions.seal(session, lane, plaintext))


def voiced(end: End) -> list[ControlContent]:
    """Return what is under way to `end` on the control lane, and has not been read."""
    assert end.wire is not None
    said = []
    for frame in end.wire.to(end.name):
        if frame[0] & 0x0F == Lane.CONTROL:
            _, opened = end.conversation._talk.sessions.open(Lane.CONTROL, frame, end.now_ms)
            said.append(decode_control(opened.plaintext))
    return said


def fill(end: End, room: int) -> None:
    """Leave room for so few messages; the application holds the rest."""
    writes = []
    for number in range(PEER_ROWS_MAX - room):
        body = end.ours.vault.seal(INBOX, end.inbox.next_key, b"old %d" % number, end.entropy)
        row, put = end.inbox.add(end.peer.did, bytes(16), number + 1, body, 0)
        writes.append(put)
        end.inbox.arrived(row)
    end.store.commit(writes)
    end.hold()


def read_all(end: End) -> list[bytes]:
    """Hand out all there is to the application, which is done with it at once."""
    bodies = list[bytes]()
    while (body := end.read()) is not None:
        bodies.append(body)
    return bodies


def outbox(end: End) -> list[Row]:
    return list(end.conversation._talk.outbox.rows.values())


def check(sender: End, receiver: End) -> None:
    """Everything not given up has arrived, once, in order; what was given up unsent has not."""
    books = sender.books
    got = [body for body in receiver.books.handed if not body.startswith(b"old")]
    owed = [body for seq, body in books.sent if seq not in books.voided]
    possible = [body for seq, body in books.sent if books.voided.get(seq, True)]
    assert sorted(receiver.books.finished) == sorted(receiver.books.handed)
    assert [body for body in got if body in owed] == owed
    assert got == [body for body in possible if body in got]
    assert [seq for seq, _ in books.sent] == list(range(1, len(books.sent) + 1))
