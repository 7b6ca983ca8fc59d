"""Two nodes in two processes, seen from outside: started, killed, started again, and brought to an end."""

from __future__ import annotations

import multiprocessing
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

from talos.config import Config
from talos.core.chain import check_chain
from talos.core.names import PeerAddress
from talos.core.step import Put
from talos.core.tables import SESSIONS, STATE_TABLES
from talos.drivers.lmdb_store import LmdbStore
from talos.host import Address
from talos.runtime import create_identity
from tests.processes import child
from tests.processes.journal import Read
from tests.processes.spies import Doom

# For what takes a second at most on an idle machine: a deadline, never a wait. Some machines have ten such to run.
PATIENCE_S: Final = 120.0
# For all that was queued meanwhile: after a hundred kills thousands of messages, each done in a commit of its own.
DRAIN_PATIENCE_S: Final = 300.0
HOST: Final = "127.0.0.1"

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([child.__name__])  # So that a restart costs milliseconds, not imports.


class Side:
    """One of the two: a data folder, a journal, an address, and now and then a process."""

    def __init__(self, name: str, folder: Path, port: int, nature: child.Nature) -> None:
        self.name = name
        self._nature = nature
        self.folder = folder / name
        self.address = Address(HOST, port)
        self.did = create_identity(Config(name=name, data_dir=self.folder), None).did
        self._journal = folder / f"{name}.journal"
        self._incarnation = 0
        self._is_up = False
        self._process: ForkServerProcess | None = None
        self._pipe: Connection | None = None

    @property
    def journal(self) -> Read:
        return Read(self._journal)

    def start(self, peer: Side, doom: Doom | None = None) -> None:
        self._incarnation += 1
        self._is_up = False
        theirs = PeerAddress(peer.did, peer.address.host, peer.address.port)
        spec = child.Spec(
            self.name,
            self.folder,
            self._journal,
            self.address,
            theirs,
            self._incarnation,
            doom or Doom(),
            self._nature,
        )
        self._pipe, pipe = _context.Pipe()
        self._process = _context.Process(target=child.live, args=(spec, pipe))
        self._process.start()
        pipe.close()

    def comes_up(self) -> None:
        """Return once this incarnation has come up."""
        if not self._is_up:
            self.says("listening")
            self._is_up = True

    def arm(self, doom: Doom) -> None:
        """Doom the running incarnation."""
        self.comes_up()
        self.tell(doom)

    def has_died(self) -> None:
        """Return once the doom of this incarnation has come."""
        assert self._process is not None
        self._process.join(PATIENCE_S)
        assert self._process.exitcode == -signal.SIGKILL, f"{self.name} ended with {self._process.exitcode}"
        self.clear()

    def kill_after(self, seconds: float) -> None:
        """Kill the process from outside, wherever it then is."""
        assert self._process is not None
        wait([self._process.sentinel], seconds)
        assert self._process.exitcode is None, f"{self.name} ended by itself, with {self._process.exitcode}"
        self._process.kill()
        self.has_died()

    def forget_sessions(self) -> None:
        """Lose every ratchet session, as a node that was restored from a backup has. Only while there is no process."""
        with closing(self._store()) as store:
            store.commit([Put(SESSIONS, key, None) for key, _ in store.scan(SESSIONS)])

    def check_log(self) -> None:
        """Raise `Damaged` unless the audit log holds as it lies on disk. Only while there is no process."""
        with closing(self._store()) as store:
            check_chain(store)

    def _store(self) -> LmdbStore:
        return LmdbStore(self.folder / "store" / "state", self._nature.store_size_mib, STATE_TABLES)

    def says(self, word: str, patience_s: float = PATIENCE_S) -> None:
        assert self._pipe is not None
        assert self._pipe.poll(patience_s), f"{self.name} did not say {word!r}"
        said = self._pipe.recv()
        assert said == word

    def tell(self, word: str | Doom) -> None:
        assert self._pipe is not None
        self._pipe.send(word)

    def has_ended(self) -> None:
        assert self._process is not None
        self._process.join(DRAIN_PATIENCE_S)
        assert self._process.exitcode == 0
        self.clear()

    def clear(self) -> None:
        """End the process, if there is one, and forget it."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


@contextmanager
def two_sides(folder: Path, nature: child.Nature = child.EASY) -> Iterator[tuple[Side, Side]]:
    """Make two identities with an address each; no process is left when the body ends."""
    with ExitStack() as stack:
        ports = _free_ports()
        ada, bob = (Side(name, folder, next(ports), nature) for name in ("ada", "bob"))
        sides = ada, bob
        for side in sides:
            stack.callback(side.clear)
        yield sides


def finish(first: Side, second: Side) -> None:
    """Let both send their last message, and end once everything has come through."""
    sides = (first, second)
    for side in sides:
        side.comes_up()
    for side in sides:
        side.tell("finish")
    for side in sides:
        side.says("finished", DRAIN_PATIENCE_S)
    for side in sides:
        side.tell("stop")
    for side in sides:
        side.has_ended()


def _free_ports() -> Iterator[int]:
    """Yield two ports that were free a moment ago: a killed node must come back under its old address."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind((HOST, 0))
        ports = [probe.getsockname()[1] for probe in (one, other)]
    yield from ports
