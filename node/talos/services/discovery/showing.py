"""Showing our key log to those who are to hold what we have signed, and do not know it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import trio

from talos.core.frames import SHOWN_LOG_MAX
from talos.core.greeting import Log, Show, Taken, Wanted
from talos.errors import TalosError
from talos.host import Address
from talos.services.desk import Desk
from talos.services.link import GREETING_S
from talos.services.question import asking
from talos_dht import Contact

SHOWS_MAX: Final = 8  # At once: each is a stream.


async def show_key_log(desk: Desk, holders: Sequence[Contact]) -> int:
    """Show it to each of these; return how many have taken it. One that does not answer is let be."""
    raw = desk.me.key_log.encode()
    slots, taken = trio.CapacityLimiter(SHOWS_MAX), 0

    async def show(holder: Contact) -> None:
        nonlocal taken
        async with slots:
            taken += await _is_taken(desk, holder, raw)

    if len(raw) > SHOWN_LOG_MAX:
        return 0
    async with trio.open_nursery() as nursery:
        for holder in holders:
            nursery.start_soon(show, holder)
    return taken


async def _is_taken(desk: Desk, holder: Contact, raw: bytes) -> bool:
    host, address = desk.host, Address(holder.host, holder.port)
    try:
        with host.clock.move_on_after(GREETING_S):
            async with asking(host.network, host.entropy, address, holder.key) as question:
                if isinstance(await question.ask(Show(desk.me.did)), Wanted):
                    return isinstance(await question.ask(Log(raw)), Taken)
    except TalosError:
        pass  # It holds nothing of ours then; the next time we publish asks again.
    return False
