"""Strangers and peers with real keys and no manners: they speak the protocol by hand, as far as it suits them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Protocol

import trio

from talos.core.channel import Channel
from talos.core.content import Content, ControlContent, Proof, Welcome
from talos.core.content_read import decode_control
from talos.core.frames import Kind, wrap
from talos.core.greeting import Ask, Card, Greeting, Offered, Open, Resume, decode
from talos.core.party import Party
from talos.services.directory import check_bundle
from talos_ratchet import SUITE_1, Lane, Session, Suite, read_offer, start
from tests.node.core.end import dice
from tests.node.services.wire import CLOCK, MemoryStream, Running, Wire, enrolled


class Frames(Protocol):
    """One end of a stream that is read in frames."""

    async def send_all(self, data: bytes) -> None: ...

    async def frame(self) -> bytes:
        """Return kind and body of the next; b"" once the other end has closed."""

    async def is_cut(self) -> bool: ...


class SocketFrames:
    """A real socket, read in frames."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._held = b""

    async def send_all(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def frame(self) -> bytes:
        while len(self._held) < 4 or len(self._held) < 4 + int.from_bytes(self._held[:4], "big"):
            try:
                data = await self.stream.receive_some()
            except trio.BrokenResourceError:
                return b""
            if not data:
                return b""
            self._held += data
        size = 4 + int.from_bytes(self._held[:4], "big")
        frame, self._held = self._held[4:size], self._held[size:]
        return frame

    async def is_cut(self) -> bool:
        while await self.frame():
            pass
        return True


class Stranger:
    """An identity of its own, and one stream at a time to a node that shows this card."""

    def __init__(self, name: str, card: Card, suite: Suite = SUITE_1) -> None:
        self.opened, _ = enrolled(Wire(), name, CLOCK)
        self.me = self.opened.me
        self.entropy = dice(f"hostile {name}")
        self.card = card
        self.them = Party.decode(card.party)
        self.suite = suite
        self.offered: Offered
        self.their_origin: bytes  # As a sender, once it has welcomed us.
        self.session: Session
        self.channel: Channel
        self.stream: Frames

    @property
    def did(self) -> bytes:
        return self.me.did

    # Greeting

    async def hello(self, stream: Frames, greeting: Greeting) -> None:
        """Say the first greeting of a stream."""
        self.stream = stream
        self.channel = Channel.dial(self.them.x25519, self.entropy)
        body = self.channel.ephemeral + self.channel.seal(greeting.encode())
        await stream.send_all(wrap(bytes((Kind.HELLO,)) + body))

    async def greet(self, greeting: Greeting) -> None:
        await self.stream.send_all(wrap(bytes((Kind.SEALED,)) + self.channel.seal(greeting.encode())))

    async def answer(self) -> Greeting | bytes:
        """Return the next greeting, a control frame as it is, or b"" if the link was closed."""
        frame = await self.stream.frame()
        return decode(self.channel.open(frame[1:])) if frame[:1] == bytes((Kind.SEALED,)) else frame

    async def ask(self, stream: Frames) -> Offered | None:
        """Ask for an offer; None if it is not given."""
        await self.hello(stream, Ask(self.me.party.encode()))
        answer = await self.answer()
        if not isinstance(answer, Offered):
            return None
        self.offered = answer
        return answer

    def opening(self, *, party: bytes | None = None) -> bytes:
        """Return an opening to what was offered, in our own name or another's."""
        offer = self.offered.offer
        now_ms = CLOCK.wall_ms()
        self.session, opening = start(
            pair=self.me.pair,
            party=party or self.me.party.encode(),
            peer_party=self.offered.party,
            bundle=check_bundle(self.offered.bundle, self.them),
            offer=read_offer(offer, signer=self.them.ed25519, requester=self.did, now_ms=None) if offer else None,
            first=b"first",
            entropy=self.entropy,
            encapsulate=self.opened.host.encapsulate,
            now_ms=now_ms,
            suite=self.suite,
        )
        return opening

    async def knock(self, stream: Frames) -> Greeting | bytes:
        """Ask, open, and return the answer: a control frame if the handshake was accepted."""
        if await self.ask(stream) is None:
            return b""
        await self.greet(Open(self.opening(), self.me.key_log.encode()))
        return await self.answer()

    async def bind(self, stream: Frames) -> bool:
        """Open a session and bind the link. Return whether that went well."""
        welcome = await self.knock(stream)
        if not isinstance(welcome, bytes) or not welcome:
            return False
        await self._prove(welcome)
        return True

    async def resume(self, stream: Frames, content: ControlContent) -> Greeting | bytes:
        """Go on with our session; return the answer. `content` is what the resuming frame says."""
        frame = self.seal(content)
        await self.hello(stream, Resume(self.did, self.session.id, frame))
        answer = await self.answer()
        if isinstance(answer, bytes) and answer:
            await self._prove(answer)
        return answer

    async def _prove(self, frame: bytes) -> None:
        opened = self.session.open(Lane.CONTROL, frame, now_ms=CLOCK.wall_ms())
        self.session.take(Lane.CONTROL, opened)
        said = decode_control(opened.plaintext)
        if isinstance(said, Welcome):
            self.session.open_lanes(said.lane_keys, self.entropy)
            self.their_origin = said.marks.origin
        await self.say(Proof(sha256(frame).digest()))

    # On a bound link

    def seal(self, content: Content, lane: Lane = Lane.CONTROL) -> bytes:
        return self.session.seal(lane, content.encode(), entropy=self.entropy)

    async def say(self, *contents: Content, lane: Lane = Lane.CONTROL) -> None:
        await self.stream.send_all(b"".join(wrap(self.seal(content, lane)) for content in contents))

    async def hear(self, lane: Lane = Lane.CONTROL) -> bytes:
        """Take the next frame of a lane, and return what it says; b"" once the link is closed."""
        while frame := await self.stream.frame():
            if frame[0] & 0x0F == lane:
                opened = self.session.open(lane, frame, now_ms=CLOCK.wall_ms())
                self.session.take(lane, opened)
                return opened.plaintext
        return b""


@asynccontextmanager
async def alone(suite: Suite = SUITE_1) -> AsyncIterator[Running]:
    """Run one node `a` whose ratchet is watched by `suite`; in the end none of its tasks has crashed."""
    node = Running(Wire(), "a", suite=suite)
    async with trio.open_nursery() as nursery:
        await nursery.start(node.run)
        yield node
        assert node.links.last_crash is None
        nursery.cancel_scope.cancel()


async def dial(node: Running, host: str = "192.0.2.1") -> MemoryStream:
    return await node.wire.dial(node.address, host)


def refusals(node: Running) -> dict[str, int]:
    """Return how often each kind was refused and not written down yet."""
    counted: dict[str, int] = {}
    for (_, kind), tally in node.desk.post.refusals._tallies.items():
        counted[kind.name] = counted.get(kind.name, 0) + tally.count
    return counted
