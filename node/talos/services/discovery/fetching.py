"""Fetching the key logs of strangers over streams: few at a time, one attempt for each identity, a few tries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from talos.core.keylog import KeyLog
from talos.errors import TalosError
from talos.host import Address, Clock
from talos.services.dial import Spawn
from talos.services.discovery.key_logs import KeyLogs
from talos_dht import Contact, NeedKeyLog

FETCHES_MAX: Final = 8  # At once: each is a stream, and up to 5 ms of signatures.
WAITING_MAX: Final = 64  # Identities whose key logs are being fetched, or wait for that; as many as the DHT keeps for.
# Tries of one fetch: twenty holders ask a new publisher at the same moment, and it greets eight of a host at a time.
TRIES_S: Final = (0.0, 1.0, 4.0, 16.0)

Ask = Callable[[Address, bytes], Awaitable[KeyLog]]  # `Dialler.ask_key_log`.


class Fetcher:
    """`came` is told of each identity whose key log has come."""

    came: Callable[[bytes], Awaitable[None]]

    def __init__(self, ask: Ask, logs: KeyLogs, clock: Clock, spawn: Spawn) -> None:
        self._ask = ask
        self._logs = logs
        self._clock = clock
        self._spawn = spawn
        self._slots = trio.CapacityLimiter(FETCHES_MAX)
        self._under_way: set[bytes] = set()
        self.failure: str | None = None  # Why the newest fetch that failed did.

    def need(self, need: NeedKeyLog) -> None:
        """Begin to fetch what a statement waits for. Beyond the limit it is not: its publisher says it again."""
        if need.did in self._under_way or len(self._under_way) >= WAITING_MAX:
            return

        async def work() -> None:
            await self._try(need)

        self._under_way.add(need.did)
        self._spawn(f"key log of {need.did.hex()[:8]}", work)

    async def _try(self, need: NeedKeyLog) -> None:
        try:
            for wait_s in TRIES_S:
                if wait_s:
                    await self._clock.sleep(wait_s)
                if await self.fetch(need.did, need.holder):
                    return
        finally:
            self._under_way.discard(need.did)

    async def fetch(self, did: bytes, holder: Contact) -> bool:
        """Ask who holds a statement of this identity for its key log; say whether something true came."""
        try:
            async with self._slots:
                await self._logs.learn(await self._ask(Address(holder.host, holder.port), did))
        except TalosError as error:
            self.failure = f"{holder.host}:{holder.port} did not show the key log of {did.hex()[:8]}: {error.what}"
            return False
        await self.came(did)
        return True
