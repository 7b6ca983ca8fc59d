"""A log nobody can rewrite unseen: RFC 6962 tree, C2SP checkpoints, proofs. Sans-IO.

Knows nothing of Talos: leaves are bytes, hashes are read and written through callables, keys are arguments.
"""

from __future__ import annotations

__all__: list[str] = []
