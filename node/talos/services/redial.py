"""Dials every peer that something waits for, for ever: at once when a link is lost, then ever less often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import trio

from talos.errors import TalosError
from talos.services.desk import Desk
from talos.services.links import Links
from talos.services.peer import Peer

BACKOFF_LEAST_S: Final = 1.0  # After a first failure; doubled per failure, up to `retry_interval_s`.
REDIALS_MAX: Final = 24  # At once, of the 32 dials of a node: peers that are away must not keep `send` waiting.
STEADY_S: Final = 10.0  # A link that lasted this long was a success: the next loss starts from the least again.
JITTER: Final = 0.2  # Of the delay, at most, so that nodes that lost one peer together do not return together.


@dataclass(slots=True)
class _Tries:
    due: float  # Monotonic seconds.
    delay_s: float = 0.0
    is_running: bool = False


class Redial:
    """One per node. `run` until cancelled."""

    def __init__(self, desk: Desk, links: Links, *, retry_interval_s: float) -> None:
        self._desk = desk
        self._links = links
        self._retry_interval_s = retry_interval_s
        self._tries: dict[bytes, _Tries] = {}
        self._slots = trio.CapacityLimiter(REDIALS_MAX)

    async def run(self) -> None:
        clock, post = self._desk.host.clock, self._desk.post
        async with trio.open_nursery() as nursery:
            while True:
                now = clock.monotonic()
                for peer in post.peers():
                    if self._is_due(peer, now):
                        self._tries[peer.did].is_running = True
                        nursery.start_soon(self._attempt, peer)
                # What is due already waits for more than the hour: for a link to be lost, or for work.
                waits = [tries.due - now for tries in self._tries.values() if not tries.is_running and tries.due > now]
                with clock.move_on_after(min(waits, default=self._retry_interval_s)):
                    await post.work_came.wait()

    def _is_due(self, peer: Peer, now: float) -> bool:
        tries = self._tries.get(peer.did)
        if peer.link is not None or not peer.conversation.has_work:
            if tries is not None and not tries.is_running and now >= tries.due + STEADY_S:
                del self._tries[peer.did]
            return False
        if tries is None:
            tries = self._tries[peer.did] = _Tries(due=now)
        return not tries.is_running and tries.due <= now

    async def _attempt(self, peer: Peer) -> None:
        tries = self._tries[peer.did]
        try:
            async with self._slots:
                await self._links.connect(peer)
        except TalosError as error:
            peer.reason = str(error)
        finally:
            least = max(BACKOFF_LEAST_S, 2 * tries.delay_s)
            tries.delay_s = min(least, self._retry_interval_s)
            tries.due = self._desk.host.clock.monotonic() + tries.delay_s * (1 + JITTER * self._dice())
            tries.is_running = False
            self._desk.post.work_came.send()

    def _dice(self) -> float:
        return self._desk.host.entropy(1)[0] / 255
