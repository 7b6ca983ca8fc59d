"""One end of a conversation, with its store and its application, and the link to the other end.

What `services.post` and `services.commit` do for a node, an `End` does here, one step at a time and at the test's
word: commit what is queued, release its effects, fail, crash. Everything follows from names, so a failure repeats.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256

from nacl.signing import SigningKey

from talos.core.conversation import Conversation
from talos.core.dice import Entropy
from talos.core.effects import Answered, Asked, Broken, Delivered, HandUp, Kept, Send, Unopened, WentAway, WornOut
from talos.core.inbox import Arrived, Inbox, body_of
from talos.core.keylog_keys import signer
from talos.core.prekeys import seen_key
from talos.core.sessions import Ours
from talos.core.step import Put, Step
from talos.core.tables import INBOX, SEEN, STATE_TABLES
from talos.core.vault import Vault
from talos.drivers.memory_store import MemoryStore
from talos_ratchet import (
    Bundle,
    Duplicate,
    KemPrekey,
    Opening,
    Prekeys,
    make_bundle,
    make_kem_prekey,
    make_key_pair,
    make_prekey,
    read_bundle,
)
from talos_simulations.dice import entropy
from talos_simulations.kem import OpenKem
from talos_simulations.suite import LENGTH_SIZE, WatchedSuite

NOW_MS = 1_700_000_000_000
DAY_MS = 24 * 3_600_000
KEM = OpenKem()


def dice(seed: str) -> Entropy:
    """Return entropy that is the same in every run."""
    return KEM.watched(entropy(0, seed))


@cache
def kem_prekey(name: str) -> KemPrekey:
    return make_kem_prekey(1, dice(f"kem {name}"))


class Wire:
    """One link: frames under way to each end. `dialler` opened it."""

    def __init__(self, dialler: End) -> None:
        self.dialler = dialler
        self.frames: dict[str, deque[bytes]] = {}
        self.is_cut = False

    def to(self, name: str) -> deque[bytes]:
        return self.frames.setdefault(name, deque())


@dataclass
class Queued:
    writes: tuple[Put, ...]
    effects: tuple[object, ...] = ()
    wire: Wire | None = None  # Where the frames came from that led to it.
    on_disk: Callable[[], None] = lambda: None  # The test's own books.
    granted: Callable[[], None] = lambda: None


@dataclass
class Books:
    """What really happened, as far as it is on disk."""

    sent: list[tuple[int, bytes]] = field(default_factory=list)
    voided: dict[int, bool] = field(default_factory=dict)  # seq -> it may have arrived.
    handed: dict[bytes, None] = field(default_factory=dict)  # To the application, each where it first was.
    finished: dict[bytes, None] = field(default_factory=dict)
    delivered: list[int] = field(default_factory=list)


class End:
    """One node's half."""

    peer: End

    def __init__(self, name: str, run: str = "") -> None:
        self.name = name
        self.entropy = dice(f"{name} {run}")
        self.did = sha256(f"did {name}".encode()).digest()
        self.party = f"party of {name}".encode()
        self.key = SigningKey(self.entropy(32))
        self.pair = make_key_pair(self.entropy)
        self.prekey = make_prekey(1, self.entropy)
        vault = Vault({1: self.entropy(32)}, 1)
        origin, kem = self.entropy(16), KEM.encapsulate_with(self.entropy)
        self.suite = WatchedSuite()
        self.suite.reused = _reused
        self.ours = Ours(self.did, self.party, self.pair, origin, vault, self.entropy, kem, self.suite)
        self.store = MemoryStore(STATE_TABLES)
        self.now_ms = NOW_MS
        self.jumped_ms = 0  # How far the wall clock has jumped, which the monotonic clock never does.
        self.queue: deque[Queued] = deque()
        self.wire: Wire | None = None
        self.books = Books()
        self.held: list[Arrived] = []  # By the application, which is in no hurry with these.
        self.ending: list[Arrived] = []  # The application is done with them; that is not on disk yet.
        self.out: set[bytes] = set()  # Bodies that this start of the node has handed out, and not taken back ...
        self.returned: set[bytes] = set()  # ... and those that it has.
        self.heard: list[Asked | Answered] = []
        self.broken: list[str] = []

    def load(self) -> None:
        self.inbox = Inbox()
        self.inbox.load(self.store.scan(INBOX))
        self.conversation = Conversation(self.peer.did, self.ours, self.store, self.inbox)

    def rows(self, *tables: str) -> dict[tuple[str, bytes], bytes]:
        """Return what is on disk, all of it unless tables are named."""
        return {(table, key): value for table in tables or STATE_TABLES for key, value in self.store.scan(table)}

    # The committer

    @property
    def steady_ms(self) -> int:
        """The monotonic clock."""
        return self.now_ms - self.jumped_ms

    def submit(self, step: Step, wire: Wire | None = None, on_disk: Callable[[], None] = lambda: None) -> None:
        self.queue.append(Queued(step.writes, step.effects, wire, on_disk))

    def commit_one(self) -> Queued:
        queued = self.queue.popleft()
        self.store.commit(queued.writes)
        queued.on_disk()
        return queued

    def flush(self, count: int = 10_000) -> None:
        """Commit the next `count` steps, and release their effects."""
        while self.queue and count:
            queued = self.commit_one()
            for effect in queued.effects:
                self.release(effect, queued.wire)
            queued.granted()
            count -= 1

    def release(self, effect: object, wire: Wire | None) -> None:
        match effect:
            case Send(frame):
                if self.wire is not None:
                    self.says(frame)
                    self.wire.to(self.peer.name).append(frame)
            case HandUp(row):
                self.inbox.arrived(row)
            case Kept(seq):
                self.conversation.kept(seq)
            case Delivered(seqs):
                self.books.delivered += seqs
            case Asked() | Answered():
                self.heard.append(effect)
            case Broken(reason):
                self.broken.append(reason)
                cut(wire or self.wire)
            case WentAway():
                cut(wire)
            case Unopened():
                self.reset("frames that do not open")
            case WornOut():
                self.renew()

    def says(self, frame: bytes) -> None:
        """A frame, or an opening that ends in one, leaves this end: no other may go out under its key."""
        self.suite.went_out(len(frame).to_bytes(LENGTH_SIZE, "big") + frame)

    def fail(self) -> None:
        """A commit fails: what is queued is refused, memory goes back to the disk, the link goes."""
        self.queue.clear()
        self.held, self.ending = self.held + self.ending, []
        self.conversation.reload()
        self.inbox.load(self.store.scan(INBOX), restarted=False)
        cut(self.wire)

    def crash(self, commits: int = 0) -> None:
        """Stop dead, perhaps right after some commits whose effects were never released; and start again."""
        while self.queue and commits:
            self.commit_one()
            commits -= 1
        self.queue.clear()
        cut(self.wire)
        self.held, self.ending, self.out, self.returned = [], [], set(), set()
        self.load()

    # The links

    def bind(self, wire: Wire, session_id: bytes, told: bytes) -> None:
        self.wire = wire
        self.submit(self.conversation.link_up(session_id, self.now_ms, told))

    def unbind(self, wire: Wire) -> None:
        if self.wire is wire:
            self.wire = None
            self.conversation.link_down()

    def reset(self, reason: str) -> None:
        """Give the session up, as `services.post` does: the link goes, and the next one makes a new session."""
        self.submit(self.conversation.reset(reason, self.now_ms))
        cut(self.wire)

    def renew(self) -> None:
        step = self.conversation.renew(self.now_ms)
        if step is not None:
            self.submit(step)
            cut(self.wire)

    def receive(self, count: int = 10_000) -> int:
        """Take the next frames of the link; return how many there were."""
        wire = self.wire
        frames = wire.to(self.name) if wire is not None else deque[bytes]()
        batch = [frames.popleft() for _ in range(min(count, len(frames)))]
        if batch:
            self.submit(self.conversation.receive(batch, self.now_ms, self.steady_ms), wire)
        return len(batch)

    # The application

    def send(self, body: bytes) -> None:
        seq, step = self.conversation.submit(body, self.now_ms)
        self.submit(step, on_disk=lambda: self.books.sent.append((seq, body)))

    def void(self, seq: int) -> None:
        may_have_arrived, step = self.conversation.void(seq, self.now_ms)
        self.submit(step, on_disk=lambda: self.books.voided.__setitem__(seq, may_have_arrived))

    def read(self) -> bytes | None:
        """Hand out the next message, and be done with it once that is on disk."""
        row = self.hand_out()
        return None if row is None else self.done(row)

    def hold(self) -> None:
        """Hand out all there is, and be slow with it."""
        while (row := self.hand_out()) is not None:
            self.held.append(row)

    def hand_out(self) -> Arrived | None:
        row = self.inbox.hand_out()
        if row is not None:
            body, books = self._body(row), self.books
            assert body not in books.finished, f"{body!r} was done, and is handed out again"
            assert body not in self.out, f"{body!r} is handed out twice"
            assert row.redelivered or body not in books.handed or body in self.returned, (
                f"{body!r} hides that it was out"
            )
            self.out.add(body)
            books.handed.setdefault(body)
        return row

    def take_back(self, row: Arrived) -> None:
        """The application leaves it to the next who asks."""
        body = self._body(row)
        self.out.discard(body)
        self.returned.add(body)
        self.inbox.take_back(row)

    def done(self, row: Arrived) -> bytes:
        body = self._body(row)
        put = self.inbox.done(row)
        if put is not None:
            self.ending.append(row)
            finished = self.books.finished
            self.queue.append(
                Queued((put,), on_disk=lambda: finished.setdefault(body), granted=lambda: self.has_forgotten(row))
            )
        return body

    def _body(self, row: Arrived) -> bytes:
        stored = self.store.get(INBOX, row.key)
        assert stored is not None
        return self.ours.vault.open(INBOX, row.key, body_of(stored))

    def has_forgotten(self, row: Arrived) -> None:
        self.ending.remove(row)
        self.inbox.forget(row)
        step = self.conversation.room_again(self.now_ms)
        if step is not None:
            self.submit(step)

    # Prekeys

    def bundle(self) -> Bundle:
        kem = kem_prekey(self.name)
        raw = make_bundle(
            sign=signer(self.key),
            signer=bytes(self.key.verify_key),
            agreement=self.pair.public,
            prekey=self.prekey,
            last_resort=kem,
            not_after_ms=NOW_MS + 400 * DAY_MS,
        )
        return read_bundle(raw, now_ms=self.now_ms)

    def accept(self, opening: Opening) -> tuple[bytes, Step]:
        """Raises `RatchetError`; `Duplicate` for an opening that was taken before."""
        if self.store.get(SEEN, seen_key(opening)) is not None:
            raise Duplicate("this opening was taken before")
        prekeys, seen = Prekeys(self.prekey, None, kem_prekey(self.name)), Put(SEEN, seen_key(opening), b"")
        return self.conversation.accept(opening, self.peer.pair.public, prekeys, (seen,), self.now_ms)


def _reused(key: bytes) -> None:
    raise AssertionError(f"message key {key[:6].hex()} encrypts a second frame that goes out")


def cut(wire: Wire | None) -> None:
    """The link breaks: what is under way is lost, and both ends notice."""
    if wire is not None and not wire.is_cut:
        wire.is_cut = True
        for end in (wire.dialler, wire.dialler.peer):
            end.unbind(wire)
