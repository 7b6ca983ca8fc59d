"""Commits of which nobody knows how they went: what turns up after all, and what cannot be read back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos.core.step import Put
from talos.core.tables import STATE_TABLES
from talos.drivers.memory_store import MemoryStore
from talos.drivers.real_host import Workers
from talos.errors import Damaged, NodeStopped, StoreFailed, TalosError
from talos.services.commit import Committer, Submitted
from talos_audit import open_checkpoint
from tests.node.services.commit_bench import Gate, RecordingStore, diary_on, log, put


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


@pytest.mark.parametrize("unreadable", [StoreFailed("the disk is gone"), Damaged("a row is not as it was written")])
async def test_who_cannot_put_memory_back_ends_the_committer_and_nobody_is_told_that_nothing_was_written(
    unreadable: StoreFailed | Damaged,
) -> None:
    def refused(failure: TalosError) -> None:
        if not isinstance(failure, NodeStopped):
            raise unreadable

    store, gate = RecordingStore(), Gate()
    committer = Committer(store, gate, diary_on(store))
    waiting = list[Submitted]()
    with pytest.RaisesGroup(pytest.RaisesExc(type(unreadable), match=unreadable.what)):
        async with trio.open_nursery() as nursery:
            await nursery.start(committer.run)
            gate.shut()
            waiting += [committer.submit(put(b"reads"), refused=refused), committer.submit(put(b"in its group"))]
            await wait_all_tasks_blocked()
            waiting.append(committer.submit(put(b"behind"), refused=refused))
            store.fail_next = StoreFailed("broken")
            gate.open()
    for request, known in zip(waiting, ("not known whether", "not known whether", "nothing of this"), strict=True):
        with pytest.raises(NodeStopped, match=known):
            await request.on_disk()
    with pytest.raises(NodeStopped):
        committer.submit(put(b"after"))
    assert store.transactions == []
    assert committer.room.under_way == 0
