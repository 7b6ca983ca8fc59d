"""Who is near a key: routing, lookups, signed records. Sans-IO.

Knows nothing of Talos: datagrams go in and come out as bytes, `now` and `entropy` are arguments.
"""

from __future__ import annotations

__all__: list[str] = []
