"""What must be true of a store that a power cut has left, opened as a node opens it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from talos.core.chain import check_chain, open_note_of, read_card
from talos.core.conversation import Conversation
from talos.core.diary_read import Query, Reader
from talos.core.entry_types import EntryType
from talos.core.identity import load
from talos.core.inbox import Inbox
from talos.core.inbox import body_of as inbox_body
from talos.core.log_rows import next_index
from talos.core.outbox import body_of as outbox_body
from talos.core.sessions import Ours
from talos.core.tables import CACHE_TABLES, INBOX, OUTBOX, STATE_TABLES
from talos.drivers.data_folder import Opened
from talos.drivers.lmdb_rows import DATA_FILE
from talos.drivers.lmdb_store import LmdbStore
from talos.drivers.memory_store import MemoryStore
from talos.drivers.real_host import real_host
from talos.errors import Damaged, StoreFailed
from talos.runtime import Node
from talos_ratchet import Suite
from talos_simulations.books import Act, Deed, read_body
from tests.crashes.recording import Image, Mark
from tests.crashes.workload import SIZE_MIB, THEM, US, Case, NotingCipher, digest, key_hash


@dataclass(slots=True)
class Promised:
    """What the marks before a moment say."""

    digests: set[int] = field(default_factory=set)  # Of all rows: after the last commit, or the one under way.
    size: int = 0  # Entries of the log.
    checkpoint: bytes | None = None
    accepted: dict[int, int] = field(default_factory=dict)  # Our messages: number by seq.
    delivered: set[int] = field(default_factory=set)  # Theirs, that they know to have been delivered to us: numbers.
    done: set[int] = field(default_factory=set)  # Theirs, that our application is done with: numbers.
    left: set[bytes] = field(default_factory=set)  # Keys of frames that went out.

    @classmethod
    def by(cls, case: Case, at: int) -> Promised:
        self = cls()
        for event in case.recording.events[:at]:
            match event:
                case Mark(("begun", int(after))):
                    self.digests.add(after)
                case Mark(("kept", int(after), int(size), bytes() | None as checkpoint)):
                    self.digests, self.size, self.checkpoint = {after}, size, checkpoint
                case Mark(("left", bytes(key))):
                    self.left.add(key)
                case Mark(("deed", Deed(act, sender, _, number, seq))):
                    self._deed(act, sender, number, seq)
        return self

    def _deed(self, act: Act, sender: str, number: int, seq: int) -> None:
        if sender == US and act is Act.ACCEPTED:
            self.accepted[seq] = number
        elif sender == THEM and act is Act.DELIVERED:
            self.delivered.add(number)
        elif sender == THEM and act is Act.DONE:
            self.done.add(number)


def wrong_with(case: Case, image: Image, folder: Path) -> list[str]:
    """Put the image into `folder`, open it, and return what is wrong with it, in words. It may kill the process."""
    (folder / DATA_FILE).write_bytes(image.file)
    found = list[str]()
    try:
        with closing(LmdbStore(folder, SIZE_MIB, STATE_TABLES)) as store:
            found.extend(_Trial(case, Promised.by(case, image.at), store).offences())
    except (Damaged, StoreFailed) as error:
        found.append(f"does not open: {error}")
    return found


class _Trial:
    def __init__(self, case: Case, promised: Promised, store: LmdbStore) -> None:
        self._case = case
        self._promised = promised
        self._store = store
        self._vault = case.vault
        self._events: dict[str, Counter[int]] = {}  # By event: how often it is in the log, for each seq.

    def offences(self) -> Iterator[str]:
        """Yield what is wrong. Raises `Damaged` or `StoreFailed` where the node would not start."""
        self._read_log()
        yield from self._ours()
        yield from self._theirs()
        yield from self._keys()
        if digest(self._store) not in self._promised.digests:
            yield "the rows are neither those of the last commit nor those of the one under way"
        yield from self._chain()

    def _read_log(self) -> None:
        for entry in Reader(self._store, self._vault).query(Query(type=EntryType.MESSAGE)):
            assert entry.details is not None
            first, count = int(entry.details["seq"]), int(entry.details["count"])
            self._events.setdefault(str(entry.details["event"]), Counter()).update(range(first, first + count))

    def _chain(self) -> Iterator[str]:
        """The log holds, and is the one that was signed for."""
        promised, card = self._promised, read_card(self._store)
        for name, seqs in self._events.items():
            yield from (f"{name} {seq} is in the log twice" for seq, times in seqs.items() if times > 1)
        if (size := next_index(self._store)) < promised.size:
            yield f"the log has {size} entries of {promised.size}"
        held = [] if promised.checkpoint is None else [open_note_of(card, promised.checkpoint)]
        check_chain(self._store, self._vault, held=held)

    def _logged(self, event: str) -> set[int]:
        return set(self._events.get(event, ()))

    def _ours(self) -> Iterator[str]:
        """What we accepted is in the outbox, or the log tells what became of it."""
        sent, over = self._logged("sent"), self._logged("delivered") | self._logged("void")
        waiting = dict[int, int]()
        for key, value in self._store.scan(OUTBOX, self._case.peer):
            if sealed := outbox_body(value):
                waiting[int.from_bytes(key[-8:], "big")] = self._number(OUTBOX, key, sealed, US)
        if waiting.keys() != sent - over:
            yield f"the outbox has {sorted(waiting)}, and the log tells of {sorted(sent - over)}"
        for seq, number in self._promised.accepted.items():
            if seq not in sent:
                yield f"accepted {seq} is lost"
            if waiting.get(seq, number) != number:
                yield f"accepted {seq} is another message"

    def _theirs(self) -> Iterator[str]:
        """What was delivered to us is in the inbox, unless it is done; what is done is not."""
        received, done = self._logged("received"), self._logged("done")
        waiting = set[int]()
        for key, value in self._store.scan(INBOX):
            waiting.add(self._number(INBOX, key, inbox_body(value), THEM))
        if len(waiting) != len(received - done):
            yield f"the inbox has {len(waiting)} messages, and the log tells of {len(received - done)}"
        yield from (
            f"message {number} is done, and would be handed out again" for number in waiting & self._promised.done
        )
        if (lost := len(self._promised.delivered | self._promised.done) - len(received)) > 0:
            yield f"{lost} messages that were delivered to us are lost"

    def _number(self, table: str, key: bytes, sealed: bytes, sender: str) -> int:
        name, _, number = read_body(self._vault.open(table, key, sealed))
        if name != sender:
            raise Damaged(f"{table} has a message of {name}")
        return number

    def _keys(self) -> Iterator[str]:
        """A node that goes on from here seals nothing with a key that has sealed what went out."""
        suite, case = _KeySuite(), self._case
        me = load(self._store, self._vault, case.rotation_key, case.now_ms)
        host = real_host(self._store, MemoryStore(CACHE_TABLES))
        Node(case.config, Opened(host, me, self._vault), suite)
        ours = Ours(me.did, me.party.encode(), me.pair, me.origin, self._vault, host.entropy, host.encapsulate, suite)
        inbox = Inbox()
        inbox.load(self._store.scan(INBOX))
        conversation = Conversation(case.peer, ours, self._store, inbox)
        resumed = conversation.resume(case.now_ms)
        if resumed is not None:
            conversation.link_up(resumed[0], case.now_ms)
        seq, _ = conversation.submit(b"the next", case.now_ms)
        if seq != max(self._logged("sent"), default=0) + 1:
            yield f"the next message would be number {seq}"
        if reused := suite.keys & self._promised.left:
            yield f"{len(reused)} keys that have sealed what went out would seal again"


class _KeySuite(Suite):
    """The real cryptography; remembers the hash of each key that seals."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = set[bytes]()
        make = self.seal_aead
        self.seal_aead = lambda key: NotingCipher(make(key), key, self._seals)

    def _seals(self, key: bytes, sealed: bytes) -> None:
        self.keys.add(key_hash(key))
