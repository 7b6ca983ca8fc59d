"""Checking statements whose key logs are not known, or not as far. Some of those who hold them are asked for the key
logs: all at once, because one that does not answer costs ten seconds, and not for longer than it matters.

a statement   until it is true, or one of the same identity is that is as new
all of them   `NEWER_S` more once any is true: a newer one is still wanted, but anybody can tell of one, and stall
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import trio

from talos.services.desk import Desk
from talos.services.discovery.fetching import HOLDERS_MAX, Fetcher, Holder
from talos.services.discovery.key_logs import KeyLogs
from talos_dht import BadStatement, Held, KeyLogUnknown, check, rank

H = TypeVar("H", bound=Held)

NEWER_S: Final = 3.0  # For the holders of what may be newer than what is true: a few round trips on a bad line.


@dataclass(frozen=True, slots=True)
class _Fetch(Generic[H]):
    did: bytes
    holder: Holder
    of: list[H] = field(default_factory=list)  # The statements that it could bear out.
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Checker:
    def __init__(self, desk: Desk, logs: KeyLogs, fetcher: Fetcher) -> None:
        self._desk = desk
        self._logs = logs
        self._fetcher = fetcher

    def holds(self, held: Held) -> bool:
        try:
            check(held, self._logs.key_of, self._desk.now_ms())
        except (BadStatement, KeyLogUnknown):
            return False
        return True

    async def true(self, unchecked: Sequence[tuple[H, Sequence[Holder]]], checked: Sequence[H] = ()) -> list[H]:
        """Return those that turn out to be true; of the `checked` too, because a key log that comes may end them."""
        if not unchecked:
            return [*checked]
        statements = [*checked, *(held for held, _ in unchecked)]
        fetches = self._fetches(unchecked)
        is_any_true = trio.Event()

        def look() -> None:
            """A key log that has come may be too short for what it was asked for."""
            true = [held for held in statements if self.holds(held)]
            for fetch in fetches:
                if all(_is_settled(held, true) for held in fetch.of):
                    fetch.scope.cancel()
            if true:
                is_any_true.set()

        async def ask(fetch: _Fetch[H]) -> None:
            with fetch.scope:
                if await self._fetcher.fetch(fetch.did, fetch.holder):
                    look()

        async def end() -> None:
            await is_any_true.wait()
            await self._desk.host.clock.sleep(NEWER_S)
            nursery.cancel_scope.cancel()

        look()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(end)
            async with trio.open_nursery() as asking:
                for fetch in fetches:
                    asking.start_soon(ask, fetch)
            nursery.cancel_scope.cancel()
        return [held for held in statements if self.holds(held)]

    def _fetches(self, unchecked: Sequence[tuple[H, Sequence[Holder]]]) -> list[_Fetch[H]]:
        """Return whom to ask for which key log: nobody twice, whatever it told of."""
        fetches: dict[tuple[bytes, Holder], _Fetch[H]] = {}
        for held, holders in unchecked:
            for holder in self._some(holders):
                fetches.setdefault((held.did, holder), _Fetch(held.did, holder)).of.append(held)
        return [*fetches.values()]

    def _some(self, holders: Sequence[Holder]) -> list[Holder]:
        """Draw a few of them: who is quickest, or nearest, must not be the one whose word all depends on."""
        return sorted(holders, key=lambda holder: self._desk.host.entropy(8))[:HOLDERS_MAX]


def _is_settled(held: Held, true: Sequence[Held]) -> bool:
    return any(other.did == held.did and rank(other) >= rank(held) for other in true)
