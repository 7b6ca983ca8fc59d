"""Who greets us on an accepted stream: the words we exchange, and what it may still cost us."""

from __future__ import annotations

from talos.core.budgets import OverBudget, Source, Work
from talos.core.channel import Channel
from talos.core.frames import Kind
from talos.core.greeting import Greeting, Reason, Refusal, decode
from talos.errors import MalformedMessage
from talos.services.desk import Desk
from talos.services.link import Link


class Caller:
    """`source` is where its budgets are counted."""

    def __init__(self, desk: Desk, link: Link, source: Source) -> None:
        self._desk = desk
        self.link = link
        self.source = source
        self._channel: Channel | None = None

    async def hear(self, hello: bytes) -> Greeting:
        """Return what it begins with. Raises `OverBudget` or `Damaged`."""
        await self.spend(Work.HELLO)
        self._channel, first = Channel.answer(hello, self._desk.me.pair.secret, self._desk.host.entropy)
        return decode(first)

    async def spend(self, work: Work) -> None:
        """Raises `OverBudget`, having told the dialler so if it can be told."""
        if self._desk.spend(work, self.source):
            return
        if self._channel is not None:
            await self.refuse(Reason.BUSY)
        raise OverBudget(f"too much {work.name} from one source, or at all")

    async def refuse(self, reason: Reason) -> None:
        await self.say(Refusal(reason))

    async def say(self, greeting: Greeting) -> None:
        await self.link.greet(Kind.SEALED, self._open.seal(greeting.encode()))

    async def reply(self) -> Greeting:
        """Return what it says next."""
        return decode(self._open.open((await self.link.next_frame())[1:]))

    @property
    def nonce(self) -> bytes:
        """Its ephemeral key, 32 bytes: no other stream has this one."""
        return self._open.ephemeral

    @property
    def _open(self) -> Channel:
        if self._channel is None:
            raise MalformedMessage("no HELLO has been heard")
        return self._channel
