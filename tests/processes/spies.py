"""A host and a suite that note what passes through them, and that can end the process at an exact moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from hashlib import sha256
from typing import Final

from talos.core.frames import FrameReader, Kind
from talos.core.step import Put
from talos.errors import StoreFull
from talos.host import Address, Datagrams, Host, Listener, Multicast, Network, Store, Stream
from talos_ratchet import SUITE_1, Suite
from tests.processes.journal import Journal

KEY_HASH_SIZE: Final = 16  # Bytes of SHA-256 that stand for a key in the journal; no two of ours collide.
TAG_SIZE: Final = 16  # Bytes of a Poly1305 tag, the end of every ratchet frame.
LANE_KINDS: Final = frozenset({Kind.CONTROL, Kind.MESSAGE, Kind.BULK})


class Moment(Enum):
    """Where a process can be killed."""

    SEAL = "a message key is about to seal a frame"
    OPEN = "a message key is about to open a frame"
    BEFORE_WRITE = "frames are about to be written"
    TORN_WRITE = "half of what was to be written is written"
    AFTER_WRITE = "frames are written"
    BEFORE_COMMIT = "a transaction is about to begin"
    AFTER_COMMIT = "a transaction is on disk, and nobody knows yet"
    HANDED = "a message was handed over and noted"
    ACKED = "an `ack` has returned and is noted"


@dataclass(slots=True)
class Doom:
    """Ends the process the `nth` time that `moment` comes. Without a moment, never."""

    moment: Moment | None = None
    nth: int = 1

    def become(self, other: Doom) -> None:
        self.moment, self.nth = other.moment, other.nth

    def comes(self, moment: Moment) -> bool:
        """Return whether it is now: for who has something to do first."""
        if moment is not self.moment:
            return False
        self.nth -= 1
        return self.nth == 0

    def pass_by(self, moment: Moment) -> None:
        if self.comes(moment):
            self.strike()

    def strike(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class SpySuite(Suite):
    """The real suite; notes the hash of each message key beside the ciphertext it made or opened."""

    def __init__(self, journal: Journal, doom: Doom) -> None:
        super().__init__()
        self._journal = journal
        self._doom = doom

    def seal_aead(self, key: bytes) -> _SpyCipher:
        self._doom.pass_by(Moment.SEAL)
        return _SpyCipher(key, self._journal)

    def open_aead(self, key: bytes) -> _SpyCipher:
        self._doom.pass_by(Moment.OPEN)
        return _SpyCipher(key, self._journal)

    def mix(self, secrets: tuple[bytes, ...], info: bytes) -> bytes:
        self._journal.note("mixed")
        return super().mix(secrets, info)


class _SpyCipher:
    def __init__(self, key: bytes, journal: Journal) -> None:
        self._seal, self._open = SUITE_1.seal_aead(key), SUITE_1.open_aead(key)
        self._name = sha256(key).digest()[:KEY_HASH_SIZE].hex()
        self._journal = journal

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        sealed = self._seal.encrypt(nonce, data, associated_data)
        self._journal.note("sealed", self._name, _tag(sealed))
        return sealed

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes | None:
        opened = self._open.decrypt(nonce, data, associated_data)
        if opened is not None:
            self._journal.note("opened", self._name, _tag(data))
        return opened


def _tag(sealed: bytes) -> str:
    return sealed[-TAG_SIZE:].hex()


class _SpyStore:
    """The real store, with a moment on either side of a commit; refuses every n-th one if told to."""

    def __init__(self, store: Store, doom: Doom, refuse_every: int) -> None:
        self.get = store.get
        self.scan = store.scan
        self.snapshot = store.snapshot
        self.close = store.close
        self.room = store.room
        self._commit = store.commit
        self._doom = doom
        self._refuse_every = refuse_every
        self._commits = 0

    def commit(self, writes: Sequence[Put]) -> None:
        self._doom.pass_by(Moment.BEFORE_COMMIT)
        self._commits += 1
        if self._refuse_every and self._commits % self._refuse_every == 0:
            raise StoreFull("the disk is full for a moment")
        self._commit(writes)
        self._doom.pass_by(Moment.AFTER_COMMIT)


class _SpyStream:
    def __init__(self, stream: Stream, journal: Journal, doom: Doom) -> None:
        self._stream = stream
        self._journal = journal
        self._doom = doom
        self._reader = FrameReader(frozenset(Kind))
        self.receive_some = stream.receive_some
        self.aclose = stream.aclose

    @property
    def peer(self) -> Address:
        return self._stream.peer

    async def send_all(self, data: bytes) -> None:
        self._doom.pass_by(Moment.BEFORE_WRITE)
        self._reader.feed(data)
        while (frame := self._reader.next()) is not None:
            if frame[0] in LANE_KINDS:
                self._journal.note("left", _tag(frame))
        if self._doom.comes(Moment.TORN_WRITE):
            try:
                await self._stream.send_all(data[: len(data) // 2])
            finally:  # The link may have ended before us.
                self._doom.strike()
        await self._stream.send_all(data)
        self._doom.pass_by(Moment.AFTER_WRITE)


class _SpyListener:
    def __init__(self, listener: Listener, journal: Journal, doom: Doom) -> None:
        self._listener = listener
        self._spies = journal, doom
        self.aclose = listener.aclose

    @property
    def address(self) -> Address:
        return self._listener.address

    async def accept(self) -> Stream:
        return _SpyStream(await self._listener.accept(), *self._spies)


class _SpyNetwork:
    def __init__(self, network: Network, journal: Journal, doom: Doom) -> None:
        self._network = network
        self._spies = journal, doom

    async def listen_stream(self, address: Address) -> Listener:
        return _SpyListener(await self._network.listen_stream(address), *self._spies)

    async def dial_stream(self, address: Address) -> Stream:
        return _SpyStream(await self._network.dial_stream(address), *self._spies)

    async def open_datagrams(self, address: Address) -> Datagrams:
        return await self._network.open_datagrams(address)

    async def open_multicast(self, group: Address, host: str) -> Multicast:
        return await self._network.open_multicast(group, host)


def spied(host: Host, journal: Journal, doom: Doom, refuse_every: int) -> Host:
    """Return the host with its network and its `state` store spied upon; `refuse_every` of 0 refuses no commit."""
    return replace(
        host,
        network=_SpyNetwork(host.network, journal, doom),
        store=_SpyStore(host.store, doom, refuse_every),
    )
