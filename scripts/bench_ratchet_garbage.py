"""What it costs to refuse garbage on a live link, beside the least it can cost: one failed opening per header key."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from os import urandom  # noqa: TID251 - Its cost is part of what is measured.
from time import thread_time  # noqa: TID251 - A benchmark measures the real thing.
from typing import Final

from nacl.signing import SigningKey

from scripts.bench_ratchet_peers import LANE, NOW_MS, PAYLOAD, encapsulate
from talos.core.content import ORIGIN_SIZE
from talos.core.conversation import Conversation
from talos.core.effects import Broken, Send, TurnedDown
from talos.core.inbox import Inbox
from talos.core.names import DID_SIZE
from talos.core.outbox import WINDOW_ROWS
from talos.core.sessions import Ours
from talos.core.step import Step
from talos.core.tables import STATE_TABLES
from talos.core.vault import KEY_SIZE, Vault
from talos.drivers.memory_store import MemoryStore
from talos_ratchet import (
    SUITE_1,
    Prekeys,
    Suite,
    make_bundle,
    make_kem_prekey,
    make_key_pair,
    make_prekey,
    read_bundle,
    read_opening,
)
from talos_ratchet.checked import Trial
from talos_ratchet.frame import BODY_AT, KIND_BASE, NONCE_SIZE
from talos_ratchet.receive import OLD_CHAINS_MAX
from talos_ratchet.session_set import SESSIONS_MAX

GARBAGE: Final = WINDOW_ROWS // 2  # Frames in one read of the link; after a window of them the link is closed.
MINUTE_MS: Final = 60_000  # After it, a peer may have as much refused again.
TURNS: Final = OLD_CHAINS_MAX + 2  # Messages each way: then a lane remembers all the chains it ever does.
AD_SIZE: Final = 33  # Bytes: transcript hash and lane.


class WatchingSuite(Suite):
    """Counts how often a header key is tried."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0

    def open_header(self, trials: Sequence[Trial], nonce: bytes, sealed: bytes) -> tuple[int, bytes] | None:
        found = super().open_header(trials, nonce, sealed)
        self.tried += len(trials) if found is None else found[0] + 1
        return found


class Side:
    """One end of a conversation, without a node around it."""

    def __init__(self, suite: Suite) -> None:
        did, vault = urandom(DID_SIZE), Vault({1: urandom(KEY_SIZE)}, 1)
        self.ours = Ours(
            did, b"party", make_key_pair(urandom), urandom(ORIGIN_SIZE), vault, urandom, encapsulate, suite
        )
        self.store = MemoryStore(STATE_TABLES)
        self.inbox = Inbox()
        self.prekey, self.kem = make_prekey(1, urandom), make_kem_prekey(2, urandom)
        self.frames = deque[bytes]()  # On their way to the other side.

    def know(self, other: Side) -> None:
        self.conversation = Conversation(other.ours.did, self.ours, self.store, self.inbox)

    def commit(self, step: Step) -> None:
        self.store.commit(step.writes)
        for effect in step.effects:
            match effect:
                case Send(frame):
                    self.frames.append(frame)
                case Broken(reason):
                    raise RuntimeError(reason)


class LiveLink:
    """Two sides that have met as often as they remember, and talked each time; garbage comes to the second one."""

    def __init__(self, suite: Suite = SUITE_1) -> None:
        self.a, self.b = Side(suite), Side(suite)
        self._now_ms = 0  # On the monotonic clock.
        for side, other in ((self.a, self.b), (self.b, self.a)):
            side.know(other)
        for _ in range(SESSIONS_MAX):
            self._meet()
            for _ in range(TURNS):
                self._say(self.a, self.b)
                self._say(self.b, self.a)

    def _meet(self) -> None:
        a, b = self.a, self.b
        key = SigningKey(urandom(32))
        bundle = make_bundle(
            sign=lambda message: key.sign(message).signature,
            signer=bytes(key.verify_key),
            agreement=b.ours.pair.public,
            prekey=b.prekey,
            last_resort=b.kem,
            not_after_ms=NOW_MS,
        )
        opening, step = a.conversation.open(b"party", read_bundle(bundle, now_ms=NOW_MS), None, NOW_MS)
        a.commit(step)
        prekeys = Prekeys(b.prekey, None, b.kem)
        welcome, step = b.conversation.accept(read_opening(opening), a.ours.pair.public, prekeys, (), NOW_MS)
        b.commit(step)
        self._session_id, proof, step = a.conversation.answered(welcome, opening, NOW_MS)
        a.commit(step)
        _, step = b.conversation.proved(proof, welcome, NOW_MS, self._now_ms)
        b.commit(step)
        self._link_up()

    def _link_up(self) -> None:
        self._now_ms += MINUTE_MS
        for side in (self.a, self.b):
            side.commit(side.conversation.link_up(self._session_id, NOW_MS))
        self._deliver()

    def _say(self, sender: Side, receiver: Side) -> None:
        _, step = sender.conversation.submit(PAYLOAD, NOW_MS)
        sender.commit(step)
        self._deliver()

    def _deliver(self) -> None:
        sides = (self.a, self.b)
        while any(side.frames for side in sides):
            for sender, receiver in (sides, sides[::-1]):
                frames = list(sender.frames)
                sender.frames.clear()
                receiver.commit(receiver.conversation.receive(frames, NOW_MS, self._now_ms))

    def refuse(self, garbage: list[bytes]) -> float:
        """Let one read of garbage be refused: seconds of this thread, per frame."""
        begun = thread_time()
        step = self.b.conversation.receive(garbage, NOW_MS, self._now_ms)
        took = thread_time() - begun
        if sum(isinstance(effect, TurnedDown) for effect in step.effects) != len(garbage):
            raise RuntimeError("garbage was not refused")
        self.b.commit(step)
        return took / len(garbage)

    def recover(self) -> None:
        """Begin anew, on a new link: one that brings much more garbage is closed."""
        self._link_up()


def make_garbage() -> list[bytes]:
    return [bytes([KIND_BASE + LANE]) + urandom(len(PAYLOAD)) for _ in range(GARBAGE)]


def header_keys_tried() -> float:
    """Return how many header keys are tried on a frame that fits none."""
    suite = WatchingSuite()
    link = LiveLink(suite)
    suite.tried = 0
    link.refuse(make_garbage())
    return suite.tried / GARBAGE


class FailedOpenings:
    """The least that it can cost: each of so many header keys is tried on each frame, by the same calls."""

    def __init__(self, keys: int) -> None:
        self._ad = urandom(AD_SIZE)
        self._ciphers = [SUITE_1.open_aead(urandom(KEY_SIZE)) for _ in range(keys)]

    def of(self, garbage: list[bytes]) -> float:
        """Try them: seconds of this thread, per frame."""
        ad, heads = self._ad, [(frame[1 : 1 + NONCE_SIZE], frame[1 + NONCE_SIZE : BODY_AT]) for frame in garbage]
        begun = thread_time()
        for nonce, sealed in heads:
            for cipher in self._ciphers:
                cipher.decrypt(nonce, sealed, ad)
        return (thread_time() - begun) / len(garbage)
