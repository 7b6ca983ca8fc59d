"""Checking a log some of whose bodies were erased: those that are gone must be those that entries tell of."""

from __future__ import annotations

from typing import Final

import pytest

from talos.core.chain import check_chain
from talos.core.entries import Leaf
from talos.core.entry_types import EntryType
from talos.core.step import Put
from talos.core.tables import BODIES, ENTRIES, TREE, entry_key, tree_key
from talos.errors import Damaged
from talos_audit import Tree, leaf_hash
from tests.node.core.end import NOW_MS
from tests.node.core.logs import Log, erase, put, row, short_log

ERASED: Final = 5
OTHER: Final = 7


def log_with_a_spare() -> Log:
    """Return a log with an entry that tells of a body that was erased, and was put back: from a free page, say."""
    log = short_log()
    kept = row(log, BODIES, entry_key(ERASED))
    erase(log, ERASED)
    put(log, BODIES, entry_key(ERASED), kept)
    return log


def forge_tail(log: Log) -> None:
    """Add a leaf without a body, and hashes to fit: what who has the disk and no key can do."""
    size = log.diary.size
    leaf = Leaf(EntryType.MESSAGE, NOW_MS, bytes(16), 0, bytes(32), bytes(32)).encode()
    tree = Tree.load(size, lambda level, number: log.store.get(TREE, tree_key(level, number)))
    tree.append(leaf_hash(leaf))
    hashes = [Put(TREE, tree_key(level, number), value) for level, number, value in tree.changed()]
    log.store.commit([Put(ENTRIES, entry_key(size), leaf), *hashes])


def test_what_an_entry_tells_of_may_be_gone() -> None:
    log = short_log()
    erase(log, ERASED)
    assert check_chain(log.store, log.vault).erased == 1


def test_another_body_than_the_one_erased_is_missed_with_the_passphrase() -> None:
    log = log_with_a_spare()
    put(log, BODIES, entry_key(OTHER), None)
    with pytest.raises(Damaged, match=f"the body of audit entry {OTHER} is gone, and no entry tells of it"):
        check_chain(log.store, log.vault)


@pytest.mark.parametrize("knows_passphrase", [True, False])
def test_a_leaf_without_a_body_after_the_checkpoint_is_found_though_one_was_erased(knows_passphrase: bool) -> None:
    log = log_with_a_spare()
    forge_tail(log)
    with pytest.raises(Damaged, match="lost its body before it was signed for"):
        check_chain(log.store, log.vault if knows_passphrase else None)
