"""The node: what runs (`node`), and how one comes by it (`opening`)."""

from __future__ import annotations

from talos.runtime.node import Node
from talos.runtime.opening import create_identity, data_folder, open_node, read_identity

__all__ = ["Node", "create_identity", "data_folder", "open_node", "read_identity"]
