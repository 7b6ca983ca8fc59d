"""A log nobody can rewrite unseen: RFC 6962 tree and proofs, C2SP notes, checkpoints, tiles and proof files. Sans-IO.

Knows nothing of Talos: leaves are bytes, hashes are read and written through callables, keys are arguments.
"""

from talos_audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from talos_audit.errors import AuditError, BadNote, BadProof, BadTiles, BrokenTree, OutOfTree
from talos_audit.hashes import EMPTY_ROOT, HASH_SIZE, SIZE_MAX, leaf_hash, node_hash, root_of
from talos_audit.note import NOTE_SIZE_MAX, SIGNATURES_MAX, Sign, VerifierKey, add_signature, open_note, sign_note
from talos_audit.proof import (
    RootOf,
    consistency_path,
    consistency_proof,
    inclusion_path,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from talos_audit.tiles import (
    CHECKPOINT,
    LEAF_SIZE_MAX,
    TILE_WIDTH,
    Resource,
    bundle_bytes,
    parse_bundle,
    parse_path,
    path_of,
    resources,
    tile_bytes,
)
from talos_audit.tlog_proof import EXTRA_SIZE_MAX, TLOG_PROOF_SUFFIX, TlogProof
from talos_audit.tree import ROW_HASHES, ROW_LEVELS, ReadRow, Rows, Tree, range_root
from talos_audit.verify import ReadResource, verify_tiles

__all__ = [
    "CHECKPOINT",
    "EMPTY_ROOT",
    "EXTRA_SIZE_MAX",
    "HASH_SIZE",
    "LEAF_SIZE_MAX",
    "NOTE_SIZE_MAX",
    "ROW_HASHES",
    "ROW_LEVELS",
    "SIGNATURES_MAX",
    "SIZE_MAX",
    "TILE_WIDTH",
    "TLOG_PROOF_SUFFIX",
    "AuditError",
    "BadNote",
    "BadProof",
    "BadTiles",
    "BrokenTree",
    "Checkpoint",
    "OutOfTree",
    "ReadResource",
    "ReadRow",
    "Resource",
    "RootOf",
    "Rows",
    "Sign",
    "TlogProof",
    "Tree",
    "VerifierKey",
    "add_signature",
    "bundle_bytes",
    "consistency_path",
    "consistency_proof",
    "inclusion_path",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "open_checkpoint",
    "open_note",
    "parse_bundle",
    "parse_path",
    "path_of",
    "range_root",
    "resources",
    "root_of",
    "sign_checkpoint",
    "sign_note",
    "tile_bytes",
    "verify_consistency",
    "verify_inclusion",
    "verify_tiles",
]
