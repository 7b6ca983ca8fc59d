"""A fresh stream, and a HELLO channel in it: questions and answers in turn, without a session.

Not a byte is read beyond an answer: after the last one the stream may be somebody else's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from talos.core.channel import Channel
from talos.core.dice import Entropy
from talos.core.frames import Kind, wrap
from talos.core.greeting import Greeting, Refusal, decode
from talos.errors import MalformedMessage, Refused
from talos.host import Address, LinkClosed, Network, Stream

ANSWER_SIZE_MAX: Final = 256  # Bytes of a frame with an answer; each has some 40.
HEAD_SIZE: Final = 5  # Bytes: the length, and the kind.


class Question:
    """Make it with `asking`."""

    def __init__(self, stream: Stream, entropy: Entropy, key: bytes) -> None:
        self.stream = stream
        self.is_kept = False  # True: the stream outlives this.
        self._channel = Channel.dial(key, entropy)
        self._head = bytes((Kind.HELLO,)) + self._channel.ephemeral

    async def ask(self, greeting: Greeting) -> Greeting:
        """Return the answer. Raises `Refused`, `Damaged` or `LinkClosed`."""
        await self.stream.send_all(wrap(self._head + self._channel.seal(greeting.encode())))
        self._head = bytes((Kind.SEALED,))
        head = await self._exactly(HEAD_SIZE)
        size = int.from_bytes(head[:4], "big")
        if head[4] != Kind.SEALED or not 1 < size <= ANSWER_SIZE_MAX:
            raise MalformedMessage("what answers there does not know the question")
        answer = decode(self._channel.open(await self._exactly(size - 1)))
        if isinstance(answer, Refusal):
            raise Refused(f"it was refused there: {answer.reason.name}")
        return answer

    async def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            some = await self.stream.receive_some(size - len(data))
            if not some:
                raise LinkClosed("the stream was closed without an answer")
            data += some
        return data


@asynccontextmanager
async def asking(network: Network, entropy: Entropy, address: Address, key: bytes) -> AsyncIterator[Question]:
    """A question to the holder of an X25519 key. Sets no deadline. Raises `DialError`, or `Damaged` for a bad key."""
    stream = await network.dial_stream(address)
    question: Question | None = None
    try:
        question = Question(stream, entropy, key)
        yield question
    finally:
        if question is None or not question.is_kept:
            await stream.aclose()
