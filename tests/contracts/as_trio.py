"""A `talos.host.Stream` in the clothes of a trio one, so that trio's own conformance tests can be run on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio

from talos.host import LinkClosed, Stream

SIZE_USUAL: Final = 65_536  # Bytes.


class AsTrio(trio.abc.Stream):
    """Adds what our protocol leaves to its callers: checks of arguments, and that one task sends and one receives."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._is_closed = False
        self._sending = self._receiving = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task sends")
        self._sending = True
        try:
            with self._translated():
                await self._stream.send_all(bytes(data))
        finally:
            self._sending = False

    async def wait_send_all_might_not_block(self) -> None:
        await self.send_all(b"")

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        size_max = SIZE_USUAL if max_bytes is None else max_bytes
        if not isinstance(size_max, int):
            raise TypeError("max_bytes is a whole number")
        if size_max < 1:
            raise ValueError("max_bytes is at least 1")
        if self._receiving:
            raise trio.BusyResourceError("another task receives")
        self._receiving = True
        try:
            with self._translated():
                return await self._stream.receive_some(size_max)
        finally:
            self._receiving = False

    async def aclose(self) -> None:
        self._is_closed = True
        await self._stream.aclose()
        await trio.lowlevel.checkpoint()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except LinkClosed as error:
            raise (trio.ClosedResourceError if self._is_closed else trio.BrokenResourceError)() from error
