"""Whole trees in tlog-tiles form, as a log would export them, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Sequence

from talos_audit.checkpoint import Checkpoint, sign_checkpoint
from talos_audit.hashes import leaf_hash, root_of
from talos_audit.tiles import CHECKPOINT, TILE_WIDTH, bundle_bytes, path_of, resources, tile_bytes
from tests.audit.grown import Shelf
from tests.audit.signers import LOG

Export = dict[str, bytes]


def export(leaves: Sequence[bytes]) -> Export:
    """Return every resource of the log that has these leaves, signed with the log's own key."""
    grown = Shelf(list(map(leaf_hash, leaves)))
    checkpoint = Checkpoint(LOG.name, grown.tree.size, grown.tree.root())
    files = {CHECKPOINT: sign_checkpoint(checkpoint, LOG.public, LOG.sign)}
    for resource in resources(len(leaves)):
        if resource.level is None:
            start = resource.index * TILE_WIDTH
            files[path_of(resource)] = bundle_bytes(leaves[start : start + resource.width])
        else:
            files[path_of(resource)] = tile_bytes(resource.level, resource.index, resource.width, grown.read)
    return files


def kept(leaves: Sequence[bytes]) -> Checkpoint:
    """Return the checkpoint that somebody kept when the log had just these leaves."""
    return Checkpoint(LOG.name, len(leaves), root_of(list(map(leaf_hash, leaves))))
