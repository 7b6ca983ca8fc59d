"""A commit of which the store does not know how it went, and which is there after all."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio

from talos.core.step import Put
from talos.core.tables import STATE_TABLES
from talos.drivers.memory_store import MemoryStore
from talos.drivers.real_host import Workers
from talos.errors import StoreFailed
from talos.services.commit import Committer
from talos_audit import open_checkpoint
from tests.node.services.commit_bench import diary_on, log


class InDoubt(MemoryStore):
    in_doubt = False

    def commit(self, writes: Sequence[Put]) -> None:
        super().commit(writes)
        if self.in_doubt:
            self.in_doubt = False
            raise StoreFailed("the disk failed while it said yes")


async def test_what_turned_up_after_all_is_signed_and_told_of() -> None:
    store = InDoubt(STATE_TABLES)
    diary = diary_on(store)
    committer = Committer(store, Workers(), diary)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        await committer.commit(log(b"first"))
        await committer.checkpoint()
        before = committer.size
        store.in_doubt = True
        with pytest.raises(StoreFailed):
            await committer.commit(log(b"in doubt"))
        assert committer.has_unsigned, "else nobody would sign it before the next entry"
        note = await committer.checkpoint()
        assert note is not None
        assert committer.size == open_checkpoint(note, diary.card.verifier).size == before + 1
        nursery.cancel_scope.cancel()
