"""What a liar does to whom it dials: it stalls, asks for what is not there, and shows what nobody wants."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from talos.core.channel import Channel
from talos.core.frames import FIRST_FRAME_MAX, SHOWN_LOG_MAX, Kind
from talos.core.greeting import Ask, Fetch, Join, Log, Open, Resume, Show, Wanted
from talos.core.reservations import TOKEN_SIZE
from talos.errors import TalosError
from talos.host import Clock, Network, Stream
from talos.services.question import Question, asking
from talos_dht.statement import DID_SIZE
from talos_simulations.hostile.doors import ENDLESS, READ_SIZE, first_frame, framed, until_closed
from talos_simulations.hostile.loot import Victim
from talos_simulations.hostile.words import Liar

SESSION_ID_SIZE: Final = 16  # Bytes.
HELD_S: Final = 20.0  # Longer than anybody is greeted for.
PUT_S: Final = 1.0  # For a datagram to arrive.
RAW: Final = (
    "says_nothing",
    "half_a_frame",
    "endless_hello",
    "junk_hello",
    "fetch_of_nobody",
    "junk_datagram",
    "open_as_another",
)
ASKED: Final = ("show_of_nobody", "join", "resume_as_another")
SHOWN: Final = ("show_and_wait", "show_another", "show_at_length")


class Knocks:
    """`put` has a victim keep a record, until the key log comes by which to check it."""

    def __init__(self, liar: Liar, network: Network, clock: Clock, put: Callable[[Victim], None]) -> None:
        self._liar = liar
        self._put = put
        self._network = network
        self._clock = clock

    async def knock(self, victim: Victim) -> None:
        """Dial one of them, and do something to it."""
        trick = self._liar.dice.choice((*RAW, *ASKED, *SHOWN))
        with suppress(TalosError), self._clock.move_on_after(HELD_S):
            self._liar.did(trick)
            if trick in RAW:
                await self._raw(trick, victim)
                return
            if trick in SHOWN:
                self._put(victim)
                await self._clock.sleep(PUT_S)
            async with asking(self._network, self._liar.entropy, victim.address, victim.contact.key) as question:
                await (self._shown if trick in SHOWN else self._asked)(trick, question)
                await until_closed(question.stream)

    async def _raw(self, trick: str, victim: Victim) -> None:
        entropy = self._liar.entropy
        stream = await self._network.dial_stream(victim.address)
        try:
            match trick:
                case "half_a_frame":
                    await stream.send_all(FIRST_FRAME_MAX.to_bytes(4, "big") + bytes((Kind.HELLO,)))
                case "endless_hello":
                    await stream.send_all(ENDLESS + bytes((Kind.HELLO,)) + bytes(READ_SIZE))
                case "junk_hello":
                    await stream.send_all(framed(Kind.HELLO, entropy(200)))
                case "fetch_of_nobody":
                    await stream.send_all(framed(Kind.FETCH, Fetch(entropy(DID_SIZE)).encode()))
                case "junk_datagram":
                    await stream.send_all(framed(Kind.DATAGRAM, entropy(400)))
                case "open_as_another":
                    await self._open_as_another(stream, victim.contact.key)
                case _:
                    pass
            await until_closed(stream)
        finally:
            await stream.aclose()

    async def _asked(self, trick: str, question: Question) -> None:
        liar = self._liar
        another = liar.dice.choice(liar.victims)
        match trick:
            case "show_of_nobody":
                await question.ask(Show(liar.entropy(DID_SIZE)))
            case "join":
                await question.ask(Join(liar.entropy(TOKEN_SIZE)))
            case _:
                frame = bytes((Kind.CONTROL,)) + liar.entropy(90)
                await question.ask(Resume(another.did, liar.entropy(SESSION_ID_SIZE), frame))

    async def _shown(self, trick: str, question: Question) -> None:
        """Show the key log of what has just been put there, or rather not."""
        own = self._liar.me
        if not isinstance(await question.ask(Show(own.did)), Wanted):
            return
        self._liar.did(f"{trick}, wanted")
        match trick:
            case "show_another":
                await question.ask(Log(self._liar.dice.choice(self._liar.victims).log))
            case "show_at_length":
                await question.ask(Log(own.key_log.encode().ljust(SHOWN_LOG_MAX + 1, b"\x00")))
            case _:
                pass

    async def _open_as_another(self, stream: Stream, key: bytes) -> None:
        """Greet as somebody else: everything is that one's but what opens a session."""
        liar = self._liar
        another, channel = liar.dice.choice(liar.victims), Channel.dial(key, liar.entropy)
        hello = channel.ephemeral + channel.seal(Ask(another.party).encode())
        await stream.send_all(framed(Kind.HELLO, hello))
        await first_frame(stream, frozenset({Kind.SEALED}))
        opening = Open(liar.entropy(1_200), another.log)
        await stream.send_all(framed(Kind.SEALED, channel.seal(opening.encode())))
