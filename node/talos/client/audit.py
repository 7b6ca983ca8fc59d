"""The audit log as an embedding agent sees it: `client.audit`."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime

import trio

from talos.client.asking import at_ms, check_index, make_query, parse_root
from talos.client.run import Run
from talos.core.proof_file import Proof
from talos.core.report import AuditEntry, ChainReport, LogHead
from talos.runtime import Node


class ClientAudit:
    """Every call raises `NodeStopped` once the node has stopped, and `Damaged` for what is not as it was written."""

    def __init__(self, run: Run, node: Node) -> None:
        self._run = run
        self._node = node

    async def query(
        self,
        type: str | None = None,
        peer: str | None = None,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        last: int | None = None,
    ) -> list[AuditEntry]:
        """Return the entries asked for, the oldest first: of one type ("MESSAGE", in any case), about one peer
        (a peer id or DID), from `from_time` on and before `to_time`, and of these the newest `last`.

        Raises `UsageError` for a type or peer that is none, and for a time without a time zone.
        """
        query = make_query(
            type,
            peer,
            from_ms=None if from_time is None else at_ms(from_time),
            to_ms=None if to_time is None else at_ms(to_time),
            last=last,
        )
        return await self._run.call(lambda: self._node.audit.query(query))

    async def get_proof(self, index: int, *, since: int | None = None, reveal: bool = True) -> Proof:
        """Return a proof that entry `index` is in the log, and with `reveal` of what it says.

        With `since`, also that the log has only grown since it had so many entries: for who holds the root of then.
        Raises `UsageError` where there was no such entry or size, and `StoreFailed`.
        """
        check_index(index)
        return await self._run.call(lambda: self._node.audit.proof(index, since=since, reveal=reveal))

    async def verify_proof(self, proof: Proof | str, root: str | bytes) -> AuditEntry:
        """Return the entry that is proved to be in the log with this root: "0x" and 64 hex digits, or 32 bytes.

        `proof` may be the text of a proof file. Raises `Damaged` or `Refused`, saying why it proves nothing: there
        is no False to be overlooked. Raises `UsageError` for what is no root.
        """
        expected = parse_root(root if isinstance(root, str) else root.hex())

        async def check() -> AuditEntry:
            await trio.lowlevel.checkpoint()
            return self._node.audit.check_proof(Proof.decode(proof) if isinstance(proof, str) else proof, expected)

        return await self._run.call(check)

    async def verify_chain(self) -> ChainReport:
        """Check every entry, what it says, every hash and the newest checkpoint. Raises `Damaged` at the first flaw."""
        return await self._run.call(self._node.audit.verify_chain)

    async def head(self) -> LogHead:
        """Return a signed checkpoint of everything that is on disk: keep it, or give it to others.

        With its root anybody can check a proof, and find out if the log is ever rewritten. Raises `StoreFailed`.
        """
        return await self._run.call(self._node.audit.head)

    def stream(self) -> AsyncIterator[AuditEntry]:
        """Iterate over the entries that come from now on: in order, none left out, none twice, for ever."""
        return stream_of(self)


class AuditStream:
    """An iterator, not an async generator: one that is left halfway has nothing to clean up."""

    def __init__(self, run: Run, node: Node) -> None:
        self._run = run
        self._node = node
        self._next = node.audit.size  # The index of the first entry that has not been read.
        self._read: deque[AuditEntry] = deque()

    def __aiter__(self) -> AuditStream:
        return self

    async def __anext__(self) -> AuditEntry:
        return await self._run.call(self._take)

    async def _take(self) -> AuditEntry:
        await trio.lowlevel.checkpoint()
        while not self._read:
            for entry in await self._node.audit.following(self._next):
                if entry.index == self._next:  # Else another task has read it meanwhile.
                    self._read.append(entry)
                    self._next += 1
        return self._read.popleft()

    def put_back(self, entry: AuditEntry) -> None:
        """Whoever took it last went away without it: it is the next again."""
        self._read.appendleft(entry)


def stream_of(audit: ClientAudit) -> AuditStream:
    return AuditStream(audit._run, audit._node)
