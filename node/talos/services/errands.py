"""What is asked on a stream that is bound to nobody: a card, a key log, a datagram's answer, a way to somebody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from talos.core.budgets import Source, Work
from talos.core.frames import Kind
from talos.core.greeting import Fetch, Join, Joined, Log, Reason, Show, Taken, Through, Wanted
from talos.core.keylog import KeyLog
from talos.errors import MalformedMessage, Refused
from talos.services.caller import Caller
from talos.services.desk import Desk
from talos.services.link import Link

Errand = Through | Join | Show
Served = Callable[[], Awaitable[None]]  # What is left to do, or to say, once a greeting is over.


class Holding(Protocol):
    """Who holds statements for others: `talos.services.discovery.service.Discovery`."""

    def waits_for(self, did: bytes) -> bool: ...

    async def took(self, log: KeyLog) -> None: ...

    async def answer(self, datagram: bytes, host: str) -> bytes | None: ...


class Relaying(Protocol):
    """What a relay does: `talos.services.relaying.relay.Relay`."""

    def keeps(self, did: bytes) -> bool: ...

    async def through(self, link: Link, did: bytes, source: Source, say: Served) -> Served: ...

    async def join(self, link: Link, token: bytes, say: Served) -> Served: ...


class Errands:
    """Of one caller. Each raises `Refused`, `Damaged` or `LinkClosed`."""

    def __init__(self, desk: Desk, caller: Caller, relay: Relaying | None, holding: Holding | None) -> None:
        self._desk = desk
        self._caller = caller
        self._link = caller.link
        self._relay = relay
        self._holding = holding

    async def run(self, greeting: Errand) -> Served:
        """Return what is left to do for it."""
        if isinstance(greeting, Show):
            return await self._take_log(greeting.did)
        return await self._relayed(greeting)

    async def show(self, wanted: Fetch) -> None:
        if wanted.did in (b"", self._desk.me.did):
            await self._link.greet(Kind.CARD, self._desk.card().encode())
            return
        log = self._desk.directory.shown(wanted.did)
        if log is None:
            raise Refused("somebody else was asked for at this address")
        await self._link.greet(Kind.KEY_LOG, log)

    async def _relayed(self, greeting: Through | Join) -> Served:
        if self._relay is None or self._link.is_relayed:
            raise Refused("this node joins nobody to others")

        async def say() -> None:
            await self._caller.say(Joined())

        try:
            if isinstance(greeting, Through):
                return await self._relay.through(self._link, greeting.did, self._caller.source, say)
            return await self._relay.join(self._link, greeting.token, say)
        except Refused:
            await self._caller.refuse(Reason.NO_WAY)
            raise

    async def answer_datagram(self, datagram: bytes) -> Served:
        """Answer what would have come over UDP. A stream is one question, so its budget counts too."""
        answer = None if self._holding is None else await self._holding.answer(datagram, self._link.host)
        if answer is None:
            raise Refused("a datagram that has no answer came over a stream")
        await self._link.greet(Kind.DATAGRAM, answer)
        return _nothing

    async def _take_log(self, did: bytes) -> Served:
        """Take the key log of whoever has put something here that waits for it."""
        if self._holding is None or not self._holding.waits_for(did):
            await self._caller.refuse(Reason.NO_WAY)
            raise Refused("nothing waits here for that key log")
        await self._caller.spend(Work.KEY_LOG)
        await self._caller.say(Wanted())
        self._link.allow(frozenset({Kind.SEALED}))
        answer = await self._caller.reply()
        log = self._desk.directory.read(answer.key_log) if isinstance(answer, Log) else None
        if log is None or log.state.did != did:
            raise MalformedMessage("another key log was shown than was spoken of")
        await self._holding.took(log)
        await self._caller.say(Taken())
        return _nothing


async def _nothing() -> None:
    """All is said."""
