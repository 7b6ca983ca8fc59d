"""Bugs of conversations, sessions and links."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from talos.core import acts
from talos.core.conversation import Conversation
from talos.core.draft import Draft
from talos.core.effects import Send
from talos.core.frames import Kind
from talos.core.marks import HighWater
from talos.core.outbox import Outbox
from talos.core.outbox_row import Phase
from talos.core.step import Put, Step
from talos.errors import Damaged
from talos.services.call import Call
from talos.services.link import WRITE_SIZE, Link
from talos.services.messages import Messages
from talos.services.peer import Peer
from talos.services.post import Post
from talos.services.redial import Redial
from talos_ratchet import Suite
from talos_ratchet.ratchet import Ratchet
from talos_simulations.mutants import mutant


def _hasty(real: Any, kind: Kind) -> Callable[..., Any]:
    """Return `Post.submit` with the frames of one lane sent at once."""

    def submit(self: Post, peer: Peer, step: Step, link: Link | None = None, **told: Any) -> Any:
        early = tuple(one for one in step.effects if isinstance(one, Send) and one.frame[0] == kind)
        later = tuple(one for one in step.effects if one not in early)
        pending = real(self, peer, replace(step, effects=later), link, **told)
        self._release(peer, Step(effects=early), link, peer.link)
        return pending

    return submit


@mutant(Post, "submit", "Message frames go to the link when their step is queued, not when it is on disk.")
def send_before_commit(real: Any) -> Any:
    return _hasty(real, Kind.MESSAGE)


@mutant(Post, "submit", "Control frames, acknowledgements among them, are held to need no disk, and go out at once.")
def ack_before_commit(real: Any) -> Any:
    return _hasty(real, Kind.CONTROL)


@mutant(HighWater, "took", "The mark of an origin is written when the origin is new, and only moves in memory after.")
def mark_in_memory_only(real: Any) -> Any:
    def took(self: HighWater, origin: bytes, seq: int) -> list[Put]:
        is_known = self.high(origin) > 0
        writes: list[Put] = real(self, origin, seq)
        return [] if is_known else writes

    return took


@mutant(HighWater, "advanced", "The row with the next number is made before the number moves, so it is one behind.")
def number_used_twice(real: Any) -> Any:
    def advanced(self: HighWater, next_seq: int) -> Put:
        row = self._row()
        self.next_seq = next_seq
        return row

    return advanced


@mutant(Outbox, "restart", "A new link goes on where the old one was, and what was lost with that is not sent again.")
def resumes_behind_the_loss(real: Any) -> Any:
    def restart(self: Outbox) -> None:
        self._blocked_at = None

    return restart


@mutant(Outbox, "load", "How many numbers a given-up row stands for is not read back: after a restart it is one.")
def void_run_shrinks(real: Any) -> Any:
    def load(cls: type[Outbox], *stored: Any) -> Outbox:
        outbox: Outbox = real.__func__(cls, *stored)
        for row in outbox.rows.values():
            row.count = 1
        return outbox

    return classmethod(load)


@mutant(Outbox, "load", "A row is loaded as it was written, WAITING: that its frame is stored, and was sent, is lost.")
def stored_frame_forgotten(real: Any) -> Any:
    def load(cls: type[Outbox], peer: Any, next_seq: Any, stored: Any, frames: Any, room: Any) -> Outbox:
        outbox: Outbox = real.__func__(cls, peer, next_seq, stored, {}, room)
        return outbox

    return classmethod(load)


@mutant(Conversation, "void", "Without a link a message is said not to have arrived, though an older link carried it.")
def given_up_for_certain(real: Any) -> Any:
    def void(self: Conversation, seq: int, now_ms: int) -> tuple[bool, Step]:
        is_linked = self._talk.linked
        may_have_arrived, step = real(self, seq, now_ms)
        return may_have_arrived and is_linked, step

    return void


@mutant(Conversation, "reload", "After a failed commit memory stays ahead of the disk.")
def memory_stays_ahead(real: Any) -> Any:
    def reload(self: Conversation) -> None:
        pass

    return reload


@mutant(Draft, "step", "A step that writes nothing else does not write the ratchet that its control frame has moved.")
def ratchet_kept_for_later(real: Any) -> Any:
    def step(self: Draft) -> Step:
        if self.writes or self.entries:
            whole: Step = real(self)
            return whole
        return Step(effects=tuple(self.effects))

    return step


@mutant(acts, "_runs", "Numbers that are acknowledged together are written down as one run, gaps and all.")
def gaps_written_down(real: Any) -> Any:
    def runs(seqs: Iterable[int]) -> list[range]:
        numbers = list(seqs)
        return [range(numbers[0], numbers[-1] + 1)] if numbers else []

    return runs


@mutant(Suite, "open_aead", "The tag behind a message is cut off and not looked at, so whatever arrives is taken.")
def tag_not_checked(real: Any) -> Any:
    class Unchecked:
        def __init__(self, key: bytes) -> None:
            self._key = key

        def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
            algorithm = ChaCha20(self._key, (1).to_bytes(4, "little") + nonce)
            return Cipher(algorithm, mode=None).decryptor().update(data[:-16])

    return staticmethod(Unchecked)


@mutant(Redial, "_is_due", "A peer that could not be reached until the longest pause was due is not dialled again.")
def redial_gives_up(real: Any) -> Any:
    def is_due(self: Redial, peer: Peer, now: float) -> bool:
        tries = self._tries.get(peer.did)
        if tries is not None and tries.delay_s >= self._retry_interval_s:
            return False
        due: bool = real(self, peer, now)
        return due

    return is_due


@mutant(Messages, "__init__", "The queue takes one message more than its limit.")
def queue_takes_one_more(real: Any) -> Any:
    def init(self: Messages, desk: Any, links: Any, vault: Any, *, queue_limit: int, offline: bool) -> None:
        real(self, desk, links, vault, queue_limit=queue_limit + 1, offline=offline)

    return init


@mutant(Ratchet, "seal", "A lane that has sealed a frame is not marked as changed, so its row keeps the key.")
def sealed_without_a_trace(real: Any) -> Any:
    def seal(self: Ratchet, plaintext: bytes, entropy: Any, lease_epoch: int) -> bytes:
        is_to_be_written = self.changed or self.turn_due
        frame: bytes = real(self, plaintext, entropy, lease_epoch)
        self.changed = is_to_be_written
        return frame

    return seal


@mutant(Outbox, "undelivered", "Messages that have been sent do not count against the limit of the queue.")
def sent_counts_as_delivered(real: Any) -> Any:
    return property(lambda self: sum(row.phase is Phase.WAITING for row in self.rows.values()))


@mutant(Messages, "_acknowledged", "A receipt says DELIVERED once the message is on a link.")
def delivered_when_sent(real: Any) -> Any:
    async def acknowledged(self: Messages, peer: Peer, awaited: Any, timeout: float) -> str | None:
        return None if peer.link is not None else await real(self, peer, awaited, timeout)

    return acknowledged


@mutant(Link, "_next_batch", "Control frames are written last, behind the messages that wait.")
def control_written_last(real: Any) -> Any:
    def next_batch(self: Link) -> bytes:
        lanes, self._lanes = self._lanes, self._lanes | {Kind.CONTROL: type(self._lanes[Kind.CONTROL])()}
        data: bytes = real(self)
        self._lanes = lanes
        if len(data) < WRITE_SIZE:
            data += real(self)
        return data

    return next_batch


@mutant(Conversation, "room_again", "A peer that was told BUSY is not told to go on when there is room again.")
def busy_for_ever(real: Any) -> Any:
    def room_again(self: Conversation, now_ms: int) -> Step | None:
        return None

    return room_again


@mutant(Call, "_lost", "A session that the peer has proved to have lost is kept, and the next dial resumes it again.")
def lost_session_kept(real: Any) -> Any:
    async def lost(self: Call, answer: Any, session_id: bytes, frame: bytes) -> None:
        raise Damaged("the peer does not have the session")

    return lost
