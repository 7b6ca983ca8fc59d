"""What was written to a store's file, when it was flushed, and what had been promised by then."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

from tests.crashes.calls import watched

SECTOR: Final = 512  # Bytes that a disk writes whole or not at all.
KEPT: Final = (0.0, 0.2, 0.5, 0.8, 1.0)  # The share of unflushed writes that reach the medium.
DRAWS_MAX: Final = 200
TORN: Final = 0.5  # Of those that do not reach it whole, the share of which some sectors do.


@dataclass(frozen=True, slots=True)
class Write:
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Synced:
    """The write before has reached the medium, by itself."""


@dataclass(frozen=True, slots=True)
class Flush:
    """All writes so far have reached the medium."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The kernel could not flush the last `count` writes, said so once, and will not try again.

    Each has reached the medium, or has not; whatever is flushed later changes nothing about that.
    """

    count: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that must not be undone any more, in the words of whoever records."""

    what: tuple[object, ...]


Event: TypeAlias = Write | Synced | Flush | Lost | Mark


@dataclass(slots=True)
class Recording:
    """A file as it was, and what happened to it since."""

    base: bytes
    events: list[Event] = field(default_factory=list)

    def mark(self, *what: object) -> None:
        self.events.append(Mark(what))

    def whole(self) -> bytes:
        """Return the file as everything that was written has made it."""
        file = bytearray(self.base)
        for event in self.events:
            if isinstance(event, Write):
                _put(file, event)
        return bytes(file)


@dataclass(frozen=True, slots=True)
class Image:
    """What a power cut may have left. Nothing of the marks in `events[:at]` may be missing from it."""

    number: int
    at: int
    file: bytes = field(repr=False)


class Recorder:
    """Sees everything, and lets it happen."""

    def __init__(self, recording: Recording) -> None:
        self._events = recording.events

    def write(self, offset: int, data: bytes, *, is_synced: bool) -> int | None:
        return None

    def wrote(self, offset: int, data: bytes, *, is_synced: bool) -> None:
        self._events.append(Write(offset, data))
        if is_synced:
            self._events.append(Synced())

    def flush(self) -> int | None:
        return None

    def flushed(self) -> None:
        self._events.append(Flush())


class FailingRecorder(Recorder):
    """Lets one call in so many of one kind fail, as a kernel does: a flush, or a write that is flushed by itself."""

    def __init__(self, recording: Recording, kind: str, every: int) -> None:
        super().__init__(recording)
        self._kind = kind  # "flush" or "meta".
        self._every = every
        self._calls = 0
        self._unflushed = 0

    def write(self, offset: int, data: bytes, *, is_synced: bool) -> int | None:
        if not is_synced:
            self._unflushed += 1
        elif self._fails("meta"):
            self._events += [Write(offset, data), Lost(1)]
            return -errno.EIO
        return None

    def flush(self) -> int | None:
        unflushed, self._unflushed = self._unflushed, 0
        if self._fails("flush"):
            self._events.append(Lost(unflushed))
            return -errno.EIO
        return None

    def _fails(self, kind: str) -> bool:
        if kind == self._kind:
            self._calls += 1
        return kind == self._kind and self._calls % self._every == 0


@contextmanager
def recorded(path: Path, recorder: Callable[[Recording], Recorder] = Recorder) -> Iterator[Recording]:
    """Record what LMDB writes to the file `path`, which has been flushed. Raises `CannotWatch`."""
    recording = Recording(path.read_bytes())
    with watched(path, recorder(recording)):
        yield recording


def images(recording: Recording, seed: int) -> Iterator[Image]:
    """Yield images, each another one: any moment, all that was flushed by then, any part of what was not.

    Ends when `DRAWS_MAX` draws in a row have brought nothing new.
    """
    # Just before each call, so that all that was promised in between is demanded, and just after the last one.
    moments = [at for at, event in enumerate(recording.events) if not isinstance(event, Mark)] + [len(recording.events)]
    seen, dice = set[tuple[int, bytes]](), random.Random(seed)
    draws = 0
    while draws < DRAWS_MAX:
        draws += 1
        at = dice.choice(moments)
        image = Image(len(seen), at, _left_by(recording, at, dice))
        new = at, sha256(image.file).digest()
        if new not in seen:
            seen.add(new)
            draws = 0
            yield image


def _left_by(recording: Recording, at: int, dice: random.Random) -> bytes:
    file, unflushed = bytearray(recording.base), list[Write]()
    for event in recording.events[:at]:
        match event:
            case Write():
                unflushed.append(event)
            case Synced():
                _put(file, unflushed.pop())
            case Flush():
                for write in unflushed:
                    _put(file, write)
                unflushed = []
            case Lost(count):
                kept = len(unflushed) - count
                _put_some(file, unflushed[kept:], dice)
                del unflushed[kept:]
    _put_some(file, unflushed, dice)
    return bytes(file)


def _put_some(file: bytearray, writes: list[Write], dice: random.Random) -> None:
    kept = dice.choice(KEPT)
    for write in writes:
        if dice.random() < kept:
            _put(file, write)
        elif dice.random() < TORN:
            for start in range(0, len(write.data), SECTOR):
                if dice.random() < 0.5:
                    _put(file, Write(write.offset + start, write.data[start : start + SECTOR]))


def _put(file: bytearray, write: Write) -> None:
    if len(file) < write.offset:
        file.extend(bytes(write.offset - len(file)))
    file[write.offset : write.offset + len(write.data)] = write.data
