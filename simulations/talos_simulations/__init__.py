"""Many nodes, one thread, virtual time: the real node on a simulated host, so a bad hour takes a second.

Stands on `talos.runtime` and below; nothing but the command line stands on it.
"""

from __future__ import annotations

__all__: list[str] = []
