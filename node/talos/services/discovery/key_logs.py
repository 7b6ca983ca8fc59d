"""Key logs of those whose statements we hold or read, and how we come by them.

They are not our peers', who are in the directory: nothing depends on them but whether a statement is believed, so they
are cache, bounded, and whoever has not been asked for longest goes first. A statement whose key log is not here waits
while it is fetched over a stream from whoever brought the statement; TCP has proved that it is there, and the log
proves itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from talos.core.frames import SHOWN_LOG_MAX
from talos.core.keylog import KeyLog, merge
from talos.errors import Damaged, Refused
from talos.services.desk import Desk
from talos.services.discovery.kept import Kept
from talos_dht import BadStatement

LOGS_MAX: Final = 10_000  # As many as statements of others that a node holds.
LOGS_BYTES_MAX: Final = 16 * 1024 * 1024  # Of all of them; they have 500 bytes each, as a rule.
PARSED_MAX: Final = 1_024  # Kept verified: each signature of a log costs 50 us.


class KeyLogs:
    """By DID hash. What a peer of ours has said counts first."""

    def __init__(self, desk: Desk, kept: Kept) -> None:
        self._desk = desk
        self._kept = kept
        self._used: OrderedDict[bytes, None] = OrderedDict.fromkeys(kept)  # Least recently used first.
        self._size = sum(len(raw) for raw in kept.values())
        self._parsed: OrderedDict[bytes, KeyLog] = OrderedDict()
        # So that no log is verified again for each who asks: number and digest of an event, and the key then.
        self._vouched: dict[bytes, tuple[int, bytes, bytes]] = {}
        self.is_held: Callable[[bytes], bool] = lambda did: False  # Whether a statement of this identity is here.

    def known(self, did: bytes) -> KeyLog | None:
        """Return the key log of an identity, verified; of a peer whose rows are damaged, what others show."""
        try:
            ours = self._desk.directory.key_log(did)
        except (Damaged, Refused):  # Its peer says so to whoever wants something of it; here it is one of many.
            ours = None
        return self._cached(did) if ours is None else ours

    def shown(self, did: bytes) -> bytes | None:
        """Return what to show of somebody else: only of whom a statement is held here.

        Not of our peers as such, and not of whom our user has looked for: both are nobody's business.
        """
        if not self.is_held(did):
            return None
        if did in self._kept:
            self._used.move_to_end(did)
        raw = self._kept.get(did, b"")  # Whoever asks verifies it; we did so when it came.
        if did in self._desk.directory:
            log = self.known(did)
            raw = raw if log is None else log.encode()
        return raw if 0 < len(raw) <= SHOWN_LOG_MAX else None

    def key_of(self, did: bytes, seq: int, digest: bytes) -> bytes | None:
        """A `talos_dht.KeyOf`. Asked for every statement that is told: it verifies no log twice for that."""
        vouched = self._vouched.get(did)
        if vouched is not None and vouched[:2] == (seq, digest) and did not in self._desk.directory:
            self._used.move_to_end(did)
            return vouched[2]
        log = self.known(did)
        if log is None or (seq > log.state.seq and not log.rivals):
            return None
        key = log.key_at(seq, digest)
        if key is None:
            raise BadStatement(f"its key log has another event {seq}")
        if not log.state.is_usable():
            raise BadStatement(f"its identity is {log.state.phase.name.lower()}")
        if not log.state.counts(key, self._desk.now_ms()):
            raise BadStatement("the key that signed it has been replaced")
        if did in self._kept and key == log.state.key and not log.rivals:  # Nothing in it ends with time.
            self._vouched[did] = seq, digest, key
        return key

    async def learn(self, log: KeyLog) -> None:
        """Keep a verified key log, or what it adds to what is known.

        Raises `BrokenKeyLog` where both cannot be true, `StoreFailed` or `NodeStopped`.
        """
        did = log.state.did
        if self._desk.directory.key_log(did) is not None:
            await self._desk.learn(log)  # A peer: its sessions must live by it.
        old = self._cached(did)
        self._keep(log if old is None else merge(old, log))

    def _cached(self, did: bytes) -> KeyLog | None:
        if did in self._parsed:
            self._parsed.move_to_end(did)
        elif did in self._kept:
            try:
                self._have(self._desk.directory.read(self._kept[did]))
            except (Damaged, Refused):
                self._forget(did)  # A cache has nothing to lose: it can be fetched again.
                return None
        return self._parsed.get(did)

    def _have(self, log: KeyLog) -> None:
        """Keep it verified; the one that was asked for longest ago makes room."""
        self._parsed[log.state.did] = log
        self._parsed.move_to_end(log.state.did)
        if len(self._parsed) > PARSED_MAX:
            self._parsed.popitem(last=False)

    def _keep(self, log: KeyLog) -> None:
        did, raw = log.state.did, log.encode()
        if self._kept.get(did) != raw:
            self._forget(did)
            self._kept[did] = raw
            self._size += len(raw)
        self._have(log)
        self._used[did] = None
        self._used.move_to_end(did)
        while len(self._used) > LOGS_MAX or self._size > LOGS_BYTES_MAX:
            self._forget(next(iter(self._used)))

    def _forget(self, did: bytes) -> None:
        self._parsed.pop(did, None)
        self._vouched.pop(did, None)
        self._used.pop(did, None)
        if did in self._kept:
            self._size -= len(self._kept.pop(did))
