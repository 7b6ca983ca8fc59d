"""The audit log of a running node: checkpoints signed in time, refusals written down, questions answered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Final, TypeVar

import trio

from talos.core import codec
from talos.core.chain import head_of, log_head, steps_of_check
from talos.core.diary import CARD_KEY
from talos.core.diary_read import Query, Reader
from talos.core.keylog import KeyLog
from talos.core.log_card import CARD_SIZE_MAX, LogCard
from talos.core.proof_file import Proof, check_proof, make_proof
from talos.core.refusals import AGGREGATE_MS
from talos.core.report import AuditEntry, ChainReport, LogHead
from talos.core.tables import META, Rows
from talos.core.vault import Vault
from talos.errors import Damaged, NodeStopped, Refused, StoreFailed, TalosError
from talos.host import Host
from talos.services.commit import Committer
from talos.services.desk import Desk
from talos.services.peer import Peer
from talos.services.requests import Requests, RequestType
from talos_audit import NOTE_SIZE_MAX

T = TypeVar("T")

PUBLISH_S: Final = 1.0  # Between two checkpoints of a busy log: witnesses must be able to sign the same one.
STREAM_ENTRIES: Final = 256  # Read at a time.
ASK_S: Final = 30.0
READS_MAX: Final = 2  # At a time: so that not every worker reads while a commit waits for one.
HEAD_SIZE_MAX: Final = CARD_SIZE_MAX + NOTE_SIZE_MAX + 16  # Bytes: what `show_head` packs, and 16 around it.


class Audit:
    """One per node. What reads the store does so in a worker thread."""

    def __init__(self, host: Host, committer: Committer, desk: Desk, vault: Vault) -> None:
        self._host = host
        self._committer = committer
        self._desk = desk
        self._vault = vault
        self._unsigned_why: str | None = None
        self._untold_why: str | None = None
        self._shown_at = -inf  # Monotonic: when a peer's question last led to a checkpoint.
        self._reads = trio.CapacityLimiter(READS_MAX)
        self.requests: Requests | None = None  # To peers, while the node runs.

    @property
    def trouble(self) -> str | None:
        """Why the log is not signed, or refusals are not written down; None if all is well."""
        return self._unsigned_why or self._untold_why

    # Between nodes

    async def show_head(self, peer: Peer, body: bytes) -> bytes:
        """Answer a peer that asks how far our log has come: the card, and the newest checkpoint."""
        note, now = self._committer.newest, self._host.clock.monotonic()
        if note is None or now - self._shown_at >= PUBLISH_S:  # Else questions would cost a flush of the disk each.
            self._shown_at = now
            note = await self._committer.checkpoint()
        card = self._host.store.get(META, CARD_KEY)
        return codec.pack(card, note)

    async def peer_head(self, did: bytes) -> LogHead:
        """Return how far a linked peer's log has come, as it says itself, signed. `did` is its DID hash.

        Raises as `Requests.ask` does, `Refused` for our own DID, `NodeStopped`, and `Damaged` where what it says
        does not hold.
        """
        if self.requests is None:
            raise NodeStopped("the node is not running")
        if did == self._desk.post.did:
            raise Refused("a node is no peer of its own", fix="Ask for the root of its own log, without a peer")
        peer = self._desk.post.peer_or_stranger(did)  # A question about a stranger makes no peer of it.
        raw = await self.requests.ask(peer, RequestType.LOG_HEAD, timeout_s=ASK_S)
        card_field, note = codec.array(raw, length=2, size_max=HEAD_SIZE_MAX, field="log head")
        card = LogCard.decode(codec.octets(card_field, field="log head.card"))
        key_log = self._desk.directory.key_log(peer.did)
        if key_log is None:
            raise Damaged("there is no key log to check the peer's audit log against")
        card.check(key_log)
        return head_of(card, codec.octets(note, field="log head.checkpoint"))

    # Running

    async def keep_signed(self) -> None:
        """Sign what was written, at most `PUBLISH_S` after it was; until cancelled."""
        while True:
            if not self._committer.has_unsigned:
                await self._committer.grew.wait()
            await self._host.clock.sleep(PUBLISH_S)
            await self.sign()

    async def sign(self) -> None:
        """Sign all that is on disk. What keeps us from it shows in the node's status until it is over."""
        try:
            await self._committer.checkpoint()
            self._unsigned_why = None
        except StoreFailed as error:
            self._unsigned_why = str(error)

    async def keep_tally(self) -> None:
        """Write down what was refused, once a minute; until cancelled."""
        while True:
            await self._host.clock.sleep(AGGREGATE_MS / 1000)
            await self.tally()

    async def tally(self) -> None:
        """Write down what was refused since the last time. If that fails, or the store is low, it counts on."""
        if self._desk.post.keeper.room.is_low:
            return  # Strangers do not get at the reserve (DECISIONS 21).
        step = self._desk.post.refusals.due(self._desk.now_ms())
        if step is not None:
            # What became of it says the committer, and not how our waiting ends: that may be cancelled before.
            submitted = self._committer.submit(step, granted=self._told, refused=self._not_told)
            with suppress(StoreFailed):
                await submitted.on_disk()

    def _told(self) -> None:
        self._untold_why = None
        self._desk.post.refusals.settle(written=True)

    def _not_told(self, failure: TalosError) -> None:
        self._untold_why = str(failure)
        self._desk.post.refusals.settle(written=False)

    async def close(self) -> None:
        """Write down and sign what is left, if anybody still writes: a node that was cancelled loses its tally."""
        with suppress(NodeStopped):  # What is on disk can still be signed.
            await self.tally()
        await self.sign()

    # Asking

    async def head(self) -> LogHead:
        """Return the signed checkpoint of everything that is on disk. Raises `StoreFailed`."""
        await self._committer.checkpoint()
        return await self._read(log_head)

    async def query(self, query: Query) -> list[AuditEntry]:
        """Return the entries asked for, the oldest first. Raises `Damaged`."""
        return await self._read(lambda rows: Reader(rows, self._vault).query(query))

    async def entry(self, index: int) -> AuditEntry:
        """Raises `UsageError` where there is no such entry, and `Damaged`."""
        return await self._read(lambda rows: Reader(rows, self._vault).entry(index))

    async def proof(self, index: int, *, since: int | None = None, reveal: bool = True) -> Proof:
        """Return a proof against the newest checkpoint, which is signed for it if need be. Raises as `make_proof`."""
        await self._committer.checkpoint()
        return await self._read(
            lambda rows: make_proof(rows, Reader(rows, self._vault), index, since=since, reveal=reveal)
        )

    def check_proof(self, proof: Proof, root: bytes) -> AuditEntry:
        """Check a proof as anybody could, and against what we know of its identity. Raises `Damaged` or `Refused`."""
        entry = check_proof(proof, root)
        shown = KeyLog.decode_and_verify(proof.key_log)
        known = self._desk.directory.key_log(proof.card.did)
        merged = self._desk.directory.merged(shown)
        if known is not None and merged.encode() not in (shown.encode(), known.encode()):
            raise Damaged("the key log in the proof contradicts the one we know of this identity")
        proof.card.check(merged)
        return entry

    async def verify_chain(self) -> ChainReport:
        """Check the whole log, bodies too. Raises `Damaged`, naming the first thing that is wrong.

        A cancel, and whoever else wants to read, waits for one step of it, not for all.
        """
        checking = steps_of_check(self._host.store, self._vault)

        def step() -> ChainReport | None:
            try:
                next(checking)
            except StopIteration as end:
                report: ChainReport = end.value
                return report
            return None

        while (report := await self._read_slowly(step)) is None:
            pass
        return report

    async def following(self, index: int) -> list[AuditEntry]:
        """Return entries from `index` on, in order: at most `STREAM_ENTRIES` of them; wait for the first."""
        while self._committer.size <= index:
            await self._committer.grew.wait()
        stop = min(self._committer.size, index + STREAM_ENTRIES)
        return await self.query(Query(last=stop - index, before=stop))

    @property
    def size(self) -> int:
        """Entries on disk."""
        return self._committer.size

    async def _read(self, work: Callable[[Rows], T]) -> T:
        def read() -> T:
            with self._host.store.snapshot() as rows:
                return work(rows)

        return await self._read_slowly(read)

    async def _read_slowly(self, work: Callable[[], T]) -> T:
        async with self._reads:
            return await self._host.blocking(work)
