"""Two whole nodes that talk in a simulated world; the store of one lies on a real disk, and is recorded.

Marks in the recording, by their first word:

    begun DIGEST                   a commit is about to be made; DIGEST is that of all rows after it
    kept DIGEST SIZE CHECKPOINT    it has returned; the log has SIZE entries, and CHECKPOINT is its newest signature
    left KEY                       a frame that KEY (its hash) has sealed goes out
    deed DEED                      an application of either node saw something (talos_simulations.books)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final, cast

from talos.config import Config
from talos.core.diary import CHECKPOINT_KEY
from talos.core.log_rows import next_index
from talos.core.step import Put
from talos.core.tables import ENTRIES, META, STATE_TABLES, Rows
from talos.core.vault import Vault
from talos.drivers.lmdb_rows import DATA_FILE
from talos.drivers.lmdb_store import LmdbStore
from talos.host import Store
from talos_ratchet.suite import Sealer
from talos_simulations.application import Load
from talos_simulations.books import Deed
from talos_simulations.check import Check
from talos_simulations.checks import ALL
from talos_simulations.suite import LENGTH_SIZE, TAG_SIZE, Lanes, WatchedSuite
from talos_simulations.weather import Fault, Kind
from talos_simulations.world import Plan, World
from tests.crashes.recording import Recording, recorded

US: Final = "n0"
THEM: Final = "n1"
SIZE_MIB: Final = 64
FLUSH_S: Final = 0.02  # Of virtual time: what comes meanwhile goes into the next transaction together.
KEY_HASH_SIZE: Final = 16  # Bytes.


@dataclass(frozen=True, slots=True)
class Case:
    """A recording, and what it takes to open what is on the disk."""

    recording: Recording = field(repr=False)
    config: Config
    storage_keys: Mapping[int, bytes] = field(repr=False)
    storage_key: int  # The current one.
    rotation_key: bytes = field(repr=False)
    peer: bytes
    peer_name: str
    now_ms: int

    @property
    def vault(self) -> Vault:
        return Vault(self.storage_keys, self.storage_key)


def record(folder: Path, seed: int) -> Case:
    """Let two nodes talk for some seconds of virtual time, one of them be killed on the way, and both come to rest."""
    notes = _Notes()
    world = World(seed, _plan(seed, notes))
    machine, suite = world.machines[US], _NotingSuite(notes)
    world.suite = suite
    path = folder / "store"
    with closing(LmdbStore(path, SIZE_MIB, STATE_TABLES)) as store:
        store.commit(
            [Put(table, key, value) for table in STATE_TABLES for key, value in machine.state.rows.scan(table)]
        )
        with recorded(path / DATA_FILE) as recording:
            notes.recording = recording
            machine.state.rows = cast(Store, _NotingStore(store, notes))
            world.run()
    assert not world.violations, world.violations
    peer = world.machines[THEM]
    now_ms = machine.clocks.wall_ms(world.virtual_s)
    vault = machine.vault()
    return Case(
        recording=recording,
        config=machine.config,
        storage_keys=vault.keys,
        storage_key=vault.current,
        rotation_key=machine.rotation_key,
        peer=peer.did,
        peer_name=peer.peer_id,
        now_ms=now_ms,
    )


def _plan(seed: int, notes: _Notes) -> Plan:
    class Witness(Check):
        def sees(self, deed: Deed) -> Iterable[str]:
            notes.note("deed", deed)
            return ()

    return Plan(
        nodes=2,
        weather=(Fault(Kind.KILL, 1.5 + seed % 3 / 2, 0.5, (US,), amount=seed % 7),),
        demanded=(*ALL, Witness),
        # Small messages, and some that take pages of their own.
        load=Load(period_s=0.2, size=(300, 1_024, 9_000)[seed % 3], think_s=0.1 * (seed % 2), impatient=0.1),
        storm_s=5.0,
        flush_s=FLUSH_S,
        retry_interval_s=1.0,
    )


class _Notes:
    recording: Recording

    def note(self, *what: object) -> None:
        self.recording.mark(*what)


class _NotingStore:
    """The real store; each commit is marked before and after."""

    def __init__(self, store: LmdbStore, notes: _Notes) -> None:
        self.get, self.scan, self.snapshot, self.close = store.get, store.scan, store.snapshot, store.close
        self.room = store.room
        self._commit = store.commit
        self._notes = notes
        self._digest = digest(store)
        self._size = next_index(store)
        self._kept()

    def commit(self, writes: Sequence[Put]) -> None:
        after, changes = self._digest, {(write.table, write.key): write.value for write in writes}
        for (table, key), value in changes.items():
            after ^= _row_digest(table, key, self.get(table, key)) ^ _row_digest(table, key, value)
        self._size += sum(table == ENTRIES for table, _ in changes)
        self._notes.note("begun", after)
        self._commit(writes)
        self._digest = after
        self._kept()

    def _kept(self) -> None:
        self._notes.note("kept", self._digest, self._size, self.get(META, CHECKPOINT_KEY))


def digest(rows: Rows) -> int:
    """Return what tells all rows of a store from any others."""
    whole = 0
    for table in STATE_TABLES:
        for key, value in rows.scan(table):
            whole ^= _row_digest(table, key, value)
    return whole


def _row_digest(table: str, key: bytes, value: bytes | None) -> int:
    if value is None:
        return 0
    sized = table.encode() + b"\0" + len(key).to_bytes(2, "big") + key + value
    return int.from_bytes(sha256(sized).digest(), "big")


def key_hash(key: bytes) -> bytes:
    return sha256(key).digest()[:KEY_HASH_SIZE]


class _NotingSuite(WatchedSuite):
    """The real cryptography; notes whose frames go out."""

    def __init__(self, notes: _Notes) -> None:
        super().__init__()
        self._notes = notes
        self._sealed: dict[bytes, bytes] = {}  # Key hash by tag.
        watched = self.seal_aead
        self.seal_aead = lambda key: NotingCipher(watched(key), key, self._seals)

    def _seals(self, key: bytes, sealed: bytes) -> None:
        self._sealed[sealed[-TAG_SIZE:]] = key_hash(key)

    def went_out(self, data: bytes, lanes: Lanes | None = None) -> str | None:
        for frame in _frames(data):
            if (key := self._sealed.get(frame[-TAG_SIZE:])) is not None:
                self._notes.note("left", key)
        return super().went_out(data, lanes)


def _frames(data: bytes) -> Iterator[bytes]:
    """Yield the whole frames in what a node writes to a stream: one begins where the data does."""
    at = 0
    while at + LENGTH_SIZE < len(data):
        end = at + LENGTH_SIZE + int.from_bytes(data[at : at + LENGTH_SIZE], "big")
        yield data[at + LENGTH_SIZE : end]
        at = end


class NotingCipher:
    """Tells `seals` of the key and the ciphertext each time it makes one."""

    def __init__(self, cipher: Sealer, key: bytes, seals: Callable[[bytes, bytes], None]) -> None:
        self._cipher = cipher
        self._key = key
        self._seals = seals

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        sealed = self._cipher.encrypt(nonce, data, associated_data)
        self._seals(self._key, sealed)
        return sealed
