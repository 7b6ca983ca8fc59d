"""Turning the storage key while the node runs."""

from __future__ import annotations

from functools import partial
from typing import Final

from talos.core.storage_key import Keep, Resealing, is_due, is_half_done, made_at
from talos.core.vault import KEY_SIZE, Vault
from talos.errors import Damaged, StoreFailed
from talos.host import Host
from talos.services.commit import Committer

ROUND_S: Final = 3_600.0  # Between two looks at whether it is due.


class Storage:
    """Keeps the storage key young. `run` is its one task."""

    def __init__(self, host: Host, committer: Committer, vault: Vault, keep: Keep) -> None:
        self._host = host
        self._committer = committer
        self._vault = vault
        self._keep = keep
        self.trouble: str | None = None  # Why the key is older than it should be.

    async def run(self) -> None:
        """Turn the key when it is due; until cancelled."""
        while True:
            try:
                await self.turn_if_due()
                self.trouble = None
            except (StoreFailed, Damaged) as error:
                self.trouble = f"the storage key could not be changed: {error}"  # The next round tries again.
            await self._host.clock.sleep(ROUND_S)

    async def turn_if_due(self) -> None:
        """Make a new key if it is time; seal under it what is under another, and forget that one.

        Raises `StoreFailed`, or `Damaged` where a row does not open: then its key is kept.
        """
        now_ms = self._host.clock.wall_ms()
        if not is_half_done(self._vault):
            if not is_due(self._host.store, self._vault, now_ms):
                return
            await self._make_key()
            await self._committer.write_alone(lambda: [made_at(now_ms)])
        await self._committer.drain()  # What was sealed under the old key, and waits to be written.
        resealing = Resealing(self._host.store, self._vault, self._host.entropy)
        while await self._committer.write_alone(resealing.batch):
            pass
        needed = {key_id: self._vault.keys[key_id] for key_id in (self._vault.kept, self._vault.current)}
        await self._host.blocking(partial(self._keep, needed, self._vault.current))
        self._vault.retire()

    async def _make_key(self) -> None:
        key_id, key = max(self._vault.keys) + 1, self._host.entropy(KEY_SIZE)
        await self._host.blocking(partial(self._keep, {**self._vault.keys, key_id: key}, key_id))
        self._vault.turn(key_id, key)
