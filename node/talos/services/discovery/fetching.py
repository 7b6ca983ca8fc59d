"""Fetching the key logs of strangers over streams, from whoever holds what they have signed: few at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from talos.core.keylog import KeyLog
from talos.errors import TalosError
from talos.host import Address
from talos.services.discovery.key_logs import KeyLogs
from talos_dht import Contact

HOLDERS_MAX: Final = 3  # Of those who hold one statement, that are asked for its key log.
FETCHES_MAX: Final = 32  # At once, each a stream: one find has 12 at most, and must not keep all others waiting.

Holder = Contact | Address
Ask = Callable[[Address, bytes], Awaitable[KeyLog]]  # `Dialler.ask_key_log`.


class Fetcher:
    def __init__(self, ask: Ask, logs: KeyLogs) -> None:
        self._ask = ask
        self._logs = logs
        self._slots = trio.CapacityLimiter(FETCHES_MAX)
        self.failure: str | None = None  # Why the newest fetch that failed did.

    async def fetch(self, did: bytes, holder: Holder) -> bool:
        """Ask who holds a statement of this identity for its key log; say whether something true came."""
        try:
            async with self._slots:
                await self._logs.learn(await self._ask(Address(holder.host, holder.port), did))
        except TalosError as error:
            self.failure = f"{holder.host}:{holder.port} did not show the key log of {did.hex()[:8]}: {error.what}"
            return False
        return True
