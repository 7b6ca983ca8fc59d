"""What a liar does to who dials it: it says nothing, or too much, or what belongs to somebody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from talos.core.channel import Channel
from talos.core.frames import SHOWN_LOG_MAX, FrameReader, Kind
from talos.core.greeting import Card, Fetch, Log, Show, Taken, Wanted, decode
from talos.errors import TalosError
from talos.host import Clock, LinkClosed, Stream
from talos_simulations.hostile.words import Liar

READ_SIZE: Final = 64 * 1024
FIRST: Final = frozenset({Kind.FETCH, Kind.HELLO, Kind.DATAGRAM})
ENDLESS: Final = b"\xff\xff\xff\xff"  # The length of a frame that never ends.
TRICKLE_S: Final = 0.5  # Between two bytes.
LOGS: Final = ("another_log", "broken_log", "long_log", "own_card", "log_in_a_seal")
SEALED: Final = ("wants_and_waits", "takes_all", "answers_at_length", "junk_in_a_seal", "shows_instead")
SHUT: Final = ("silence", "hangs_up", "trickle", "endless", "junk")


class Doors:
    def __init__(self, liar: Liar, clock: Clock) -> None:
        self._liar = liar
        self._clock = clock

    async def answer(self, stream: Stream) -> None:
        """Do something to whoever has dialled, until it gives up."""
        async with _let_go(stream):
            frame = await first_frame(stream)
            tricks = {Kind.FETCH: LOGS, Kind.HELLO: SEALED}.get(Kind(frame[0]), ())
            trick = self._liar.dice.choice((*SHUT, *tricks))
            self._liar.did(trick)
            if trick in SHUT:
                await self._shut(trick, stream)
            elif trick in LOGS:
                await stream.send_all(self._shown(trick, Fetch.decode(frame[1:]).did))
            else:
                await self._sealed(trick, stream, frame[1:])
            if trick != "hangs_up":
                await until_closed(stream)

    async def _shut(self, trick: str, stream: Stream) -> None:
        match trick:
            case "trickle":
                for byte in (SHOWN_LOG_MAX).to_bytes(4, "big") + bytes((Kind.KEY_LOG,)) + bytes(SHOWN_LOG_MAX):
                    await stream.send_all(bytes((byte,)))
                    await self._clock.sleep(TRICKLE_S)
            case "endless":
                await stream.send_all(ENDLESS + bytes((Kind.KEY_LOG,)) + bytes(READ_SIZE))
            case "junk":
                await stream.send_all(self._liar.entropy(300))
            case _:
                pass

    def _shown(self, trick: str, did: bytes) -> bytes:
        """Return what it shows for the key log of somebody."""
        own = self._liar.me.key_log.encode()
        log = next((victim.log for victim in self._liar.victims if victim.did == did), own)
        match trick:
            case "another_log":
                others = [victim.log for victim in self._liar.victims if victim.did != did]
                return framed(Kind.KEY_LOG, self._liar.dice.choice([own, *others]))
            case "broken_log":
                at = self._liar.dice.randrange(len(log))
                return framed(Kind.KEY_LOG, log[:at] + bytes((log[at] ^ 1,)) + log[at + 1 :])
            case "long_log":
                return framed(Kind.KEY_LOG, log.ljust(SHOWN_LOG_MAX + 1, b"\x00"))
            case "own_card":
                return framed(Kind.CARD, Card(own, self._liar.me.party.encode(), b"none").encode())
            case _:
                return framed(Kind.SEALED, log)

    async def _sealed(self, trick: str, stream: Stream, hello: bytes) -> None:
        """Answer a HELLO that was sealed for it, as a show of somebody's key log is."""
        liar = self._liar
        channel, first = Channel.answer(hello, liar.me.pair.secret, liar.entropy)
        asked = decode(first)
        said = {
            "wants_and_waits": Wanted().encode(),
            "takes_all": (Wanted() if isinstance(asked, Show) else Taken()).encode(),
            "answers_at_length": bytes(READ_SIZE // 8),
            "junk_in_a_seal": liar.entropy(30),
            "shows_instead": Log(liar.me.key_log.encode()).encode(),
        }[trick]
        await stream.send_all(framed(Kind.SEALED, channel.seal(said)))
        if trick == "takes_all":
            await first_frame(stream, frozenset({Kind.SEALED}))
            await stream.send_all(framed(Kind.SEALED, channel.seal(Taken().encode())))


@asynccontextmanager
async def _let_go(stream: Stream) -> AsyncIterator[None]:
    """Whatever the other end does to the stream, this ends well."""
    try:
        with suppress(TalosError):
            yield
    finally:
        await stream.aclose()


def framed(kind: Kind, body: bytes) -> bytes:
    """Return a frame of whatever length."""
    return (1 + len(body)).to_bytes(4, "big") + bytes((kind,)) + body


async def first_frame(stream: Stream, kinds: frozenset[Kind] = FIRST) -> bytes:
    reader = FrameReader(kinds)
    while (frame := reader.next()) is None:
        data = await stream.receive_some(READ_SIZE)
        if not data:
            raise LinkClosed("whoever dialled has gone")
        reader.feed(data)
    return frame


async def until_closed(stream: Stream) -> None:
    while await stream.receive_some(READ_SIZE):
        pass
