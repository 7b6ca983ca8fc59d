"""Bugs of the inbox, of what is written together, and of the audit log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from talos.core import acts
from talos.core.inbox import Arrived, Inbox
from talos.core.log_index import Index, bundle_key
from talos.core.step import Put, Step
from talos.core.tables import INBOX
from talos.errors import NodeStopped, StoreFailed
from talos.services.commit import Committer, Submitted
from talos.services.messages import Message, Messages
from talos.services.post import Post
from talos_simulations.mutants import mutant


@mutant(Committer, "_grant", "Effects are released while their transaction is being written, not after it.")
def effects_before_commit(real: Any) -> Any:
    async def grant(self: Committer, group: list[Submitted]) -> None:
        for request in group:
            request.granted()
            request.granted = lambda: None
        await real(self, group)

    return grant


@mutant(Committer, "_refuse_queue", "A step is granted although the step before it, which it builds on, was not.")
def built_on_sand(real: Any) -> Any:
    def refuse_queue(self: Committer, failure: StoreFailed | NodeStopped) -> None:
        if isinstance(failure, NodeStopped):
            real(self, failure)

    return refuse_queue


@mutant(Committer, "_write", "Audit entries are written in a transaction of their own, after that of their messages.")
def entries_written_after(real: Any) -> Any:
    async def write(self: Committer, group: list[Submitted]) -> None:
        await self._take_turn()
        try:
            rows = [row for request in group for step in request.steps for row in step.writes]
            if rows:
                await self._blocking(lambda: self._store.commit(rows))
            await self._blocking(lambda: self._commit([_entries_of(request) for request in group]))
        finally:
            self._writing.release()
        self.size = self._diary.size
        self.grew.send()

    def _entries_of(request: Submitted) -> Submitted:
        steps = tuple(Step(entries=step.entries) for step in request.steps)
        return Submitted(steps, request.size, request.granted, request.refused)

    return write


@mutant(Index, "mark", "The last marks of a bundle replace those before them.")
def index_forgets(real: Any) -> Any:
    def mark(self: Index, bundle: int, marks: Mapping[bytes, int]) -> None:
        for prefix, bits in marks.items():
            self._bits[bundle_key(prefix, bundle)] = bits

    return mark


@mutant(Messages, "done", "The entry of a message that is done is written, and its row stays.")
def done_and_not_deleted(real: Any) -> Any:
    async def done(self: Messages, row: Arrived) -> None:
        post = self._desk.post
        if post.inbox.done(row) is not None:
            entry = acts.done(self._desk.me.did, row.sender, row.origin, row.seq, post.now_ms())
            await post.submit_own(Step((), (entry,)), granted=lambda: self._forgotten(row)).on_disk()

    return done


@mutant(Messages, "_message", "A message leaves the inbox when it is handed out, not when it is done.")
def deleted_when_handed_out(real: Any) -> Any:
    def message(self: Messages, row: Arrived) -> Message:
        whole: Message = real(self, row)
        self._desk.post.submit_own(Step((Put(INBOX, row.key, None),)))
        return whole

    return message


@mutant(Post, "_look_back", "After a failed commit the inbox keeps the places of messages that did not reach the disk.")
def inbox_stays_ahead(real: Any) -> Any:
    def look_back(self: Post) -> None:
        self._reloaded = set()
        self.newcomers.reload()

    return look_back


@mutant(Inbox, "load", "After a restart nothing is marked as perhaps handed out before.")
def never_redelivered(real: Any) -> Any:
    def load(self: Inbox, stored: Iterable[tuple[bytes, bytes]], *, restarted: bool = True) -> None:
        real(self, stored, restarted=False)

    return load


@mutant(Inbox, "forget", "A message that is done makes no room in the inbox.")
def inbox_room_leaks(real: Any) -> Any:
    def forget(self: Inbox, row: Arrived) -> None:
        self._handed_out.pop(row.arrival, None)
        self._waiting.pop(row.arrival, None)

    return forget
