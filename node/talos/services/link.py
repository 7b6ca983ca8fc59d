"""One link: a stream cut into frames, three lanes out, deadlines both ways. It knows no cryptography.

One task writes, one reads. Frames queue per lane; control overtakes messages, messages overtake bulk, and
nothing overtakes inside a lane.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import trio

from talos.core.frames import FrameReader, Kind, wrap
from talos.core.outbox import WINDOW_ROWS
from talos.errors import MalformedMessage
from talos.host import Clock, LinkClosed, Stream
from talos.services.relaying.through import Way

GREETING_S: Final = 10.0  # From accept or dial to a bound link.
READ_SIZE: Final = 64 * 1024  # Bytes per read.
MESSAGES_MAX: Final = WINDOW_ROWS // 2  # At once: while we take one half of a window, the peer makes the other anew.
WRITE_SIZE: Final = 64 * 1024  # Bytes per write: small enough that each one shows progress.
FRAME_S: Final = 10.0  # From a frame's first byte to its last, so that a slow sender holds no memory for long.
RATE_LEAST: Final = 16 * 1024  # Bytes per second that a long frame may take beyond FRAME_S: 1 MiB in 74 s.
PROGRESS_S: Final = 30.0  # A peer that takes no byte for this long is gone.
DRAIN_S: Final = 5.0  # How long a link that lost against another is still read.
QUEUE_FRAMES_MAX: Final = 256  # Per lane. The message lane is kept shorter by the outbox's window.
QUEUE_BYTES_MAX: Final = 8 * 1024 * 1024  # Twice the outbox's window: whatever it sends, it fits.

LANE_KINDS: Final = (Kind.CONTROL, Kind.MESSAGE, Kind.BULK)  # In order of precedence.


class _Lane:
    __slots__ = ("frames", "size")

    def __init__(self) -> None:
        self.frames: deque[bytes] = deque()
        self.size = 0


class Link:
    """A stream to one peer. `dialled`: we opened it, to what was called `at`."""

    def __init__(
        self,
        stream: Stream,
        clock: Clock,
        *,
        dialled: bool,
        allowed: frozenset[Kind],
        at: Way | None = None,
        is_relayed: bool = False,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._reader = FrameReader(allowed)
        self._lanes = {kind: _Lane() for kind in LANE_KINDS}
        self._queued = 0  # Frames on all of them.
        self._wake = trio.Event()
        self._frame_began: float | None = None
        self._scope: trio.CancelScope | None = None
        self.dialled = dialled
        self.is_relayed = is_relayed  # It came through a relay: whoever is there gets no further relay from us.
        self.at = stream.peer if at is None else at
        self.heard_at = clock.monotonic()
        self.bound_at = self.heard_at  # On the monotonic clock too; once it is bound.
        self.close_reason: str | None = None
        self.last_greeting = b""  # The last frame that `next_frame` returned: a sample, if it is refused.
        self.session_id = b""  # 16 bytes, once it is greeted: what both ends send on while it is the peer's link.
        self.told = b""  # The words of ours that the peer has heard in the greeting.
        self._draining = trio.Event()
        self._why_drained = ""

    @property
    def host(self) -> str:
        """Where the other end is."""
        return self._stream.peer.host

    def taken_over(self) -> Stream:
        """Return the stream, for whoever passes its bytes on from here. Raises `MalformedMessage` if some are here."""
        if self._reader.inside_a_frame:
            raise MalformedMessage("the other end did not wait for the answer")
        return self._stream

    def allow(self, kinds: frozenset[Kind]) -> None:
        """Accept only these kinds of frames from now on."""
        self._reader.allowed = kinds

    async def greet(self, kind: Kind, body: bytes) -> None:
        """Write one greeting, before the writer runs. Raises `LinkClosed`."""
        await self.send_now(bytes((kind,)) + body)

    async def send_now(self, frame: bytes) -> None:
        """Write one frame, before the writer runs. Raises `LinkClosed`."""
        await self._write(wrap(frame))

    def drop_queued(self, kind: Kind) -> None:
        """Forget what still waits on a lane: it will be sent again, from an earlier point on."""
        self._queued -= len(self._lanes[kind].frames)
        self._lanes[kind] = _Lane()

    def enqueue(self, frame: bytes) -> None:
        """Queue a ratchet frame on its lane. A peer that lets the queue fill up loses the link."""
        lane = self._lanes[Kind(frame[0])]
        lane.frames.append(frame)
        self._queued += 1
        lane.size += len(frame)
        if len(lane.frames) > QUEUE_FRAMES_MAX or (lane.size > QUEUE_BYTES_MAX and len(lane.frames) > 1):
            self.close(f"{len(lane.frames)} frames wait on lane {frame[0]:#x}: the peer reads too slowly")
        self._wake.set()

    @property
    def has_queued(self) -> bool:
        return self._queued > 0

    @property
    def bulk_has_room(self) -> bool:
        lane = self._lanes[Kind.BULK]
        return len(lane.frames) < QUEUE_FRAMES_MAX // 2 and lane.size < QUEUE_BYTES_MAX // 2

    async def write_queued(self) -> None:
        """The one writer: send what is queued until cancelled. Raises `LinkClosed`."""
        while True:
            await self._wake.wait()
            batch = self._next_batch()
            if not self.has_queued:
                self._wake = trio.Event()
            await self._write(batch)

    async def next_frames(self, wait_s: float) -> list[bytes]:
        """Return frames that are here, at most MESSAGES_MAX messages among them; none if nothing came for `wait_s` s.

        Raises `LinkClosed` at the end of the stream or when a frame takes longer than FRAME_S to
        arrive, and `MalformedMessage` for what is no frame.
        """
        if self._reader.inside_a_frame:
            self._frame_began = self._clock.monotonic()  # While nobody read here, it was not the peer that was slow.
        while True:
            frames = self._whole_frames()
            if frames:
                return frames
            with self._clock.move_on_after(self._patience(wait_s)):
                data = await self._stream.receive_some(READ_SIZE)
                if not data:
                    raise LinkClosed("the peer closed the link")
                self.heard_at = self._clock.monotonic()
                if not self._reader.inside_a_frame:
                    self._frame_began = self.heard_at
                self._reader.feed(data)
                continue
            if self._reader.inside_a_frame:
                raise LinkClosed("a frame took too long to arrive")
            return []

    async def next_frame(self) -> bytes:
        """Return the next frame alone: the greeting is a strict back and forth. No deadline of its own."""
        while (frame := self._reader.next()) is None:
            data = await self._stream.receive_some(READ_SIZE)
            if not data:
                raise LinkClosed("the peer closed the link during the greeting")
            self.heard_at = self._clock.monotonic()
            self._reader.feed(data)
        self.last_greeting = frame
        return frame

    def close(self, reason: str) -> None:
        """Ask the link's tasks to end, now. The first reason stands."""
        if self.close_reason is None:
            self.close_reason = reason
        if self._scope is not None:
            self._scope.cancel()

    def drain(self, why: str) -> None:
        """Read on for DRAIN_S what the peer has sent already, then end. The first reason stands."""
        self._why_drained = self._why_drained or why
        self._draining.set()

    @property
    def is_draining(self) -> bool:
        return self._draining.is_set()

    async def until_drained(self) -> None:
        """Raises `LinkClosed` once it has been drained for DRAIN_S; waits for ever if it is not."""
        await self._draining.wait()
        await self._clock.sleep(DRAIN_S)
        raise LinkClosed(self._why_drained)

    @property
    def scope(self) -> trio.CancelScope:
        """What `close` cancels: the link's tasks run inside it."""
        if self._scope is None:
            self._scope = trio.CancelScope()
            if self.close_reason is not None:
                self._scope.cancel()
        return self._scope

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _patience(self, wait_s: float) -> float:
        if not self._reader.inside_a_frame or self._frame_began is None:
            return wait_s
        allowed_s = FRAME_S + self._reader.awaited / RATE_LEAST
        return max(0.0, self._frame_began + allowed_s - self._clock.monotonic())

    def _whole_frames(self) -> list[bytes]:
        frames, messages = list[bytes](), 0
        while messages < MESSAGES_MAX and (frame := self._reader.next()) is not None:
            frames.append(frame)
            messages += frame[0] == Kind.MESSAGE
        return frames

    def _next_batch(self) -> bytes:
        """Take up to WRITE_SIZE bytes: all control first, then messages, then bulk."""
        batch: list[bytes] = []
        size = 0
        for kind in LANE_KINDS:
            lane = self._lanes[kind]
            while lane.frames and size < WRITE_SIZE:
                frame = lane.frames.popleft()
                lane.size -= len(frame)
                size += len(frame)
                batch.append(wrap(frame))
        self._queued -= len(batch)
        return b"".join(batch)

    async def _write(self, data: bytes) -> None:
        for at in range(0, len(data), WRITE_SIZE):
            with self._clock.move_on_after(PROGRESS_S) as deadline:
                await self._stream.send_all(data[at : at + WRITE_SIZE])
            if deadline.cancelled_caught:
                raise LinkClosed(f"the peer took nothing for {PROGRESS_S:.0f} s")
