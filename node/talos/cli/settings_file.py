"""The talos.toml that `talos init` writes: what was asked for, and every other setting as a comment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from talos.config import DEFAULTS
from talos.host import Address

_TEMPLATE: Final = """\
# Settings of this node. Flags and TALOS_... variables win over this file; a commented line shows the default.

# What `talos init` called this node.
name = {name}

# Where it listens; port 0 takes a free one at each start, so give a fixed port to be found again.
listen = [{listen}]

# Peers known from the start, beside those of `talos peers add`.
# peers = ["did:talos:...@node.example:7000"]

# Nodes that let this one into the DHT; `peers` do, too.
# bootstrap = ["did:talos:...@node.example:7000"]

# Whom to ask where a peer is, in this order, after "static" (addresses that it has) and "lan", which are always asked.
# discovery = [{discovery}]

# Find, and be found by, nodes on the same network or machine.
# lan = {lan}

# Nodes that hold what is published, to be asked and told directly.
# registries = ["did:talos:...@node.example:7000"]

# true: be a registry.
# registry = {registry}

# What this identity offers, to be found by it: talos find NAME.
# topics = ["translate"]

# true: be a relay, through which others reach those that can only dial.
# relay = {relay}

# One or two relays through which to reach this node, if it can only dial.
# relays = ["did:talos:...@node.example:7000"]

# A file with the key of a closed group: who has another, or none, is neither heard nor found.
# network_key_file = "network.key"

# Where others can dial this node, at most 2, if not where it listens.
# advertise = ["node.example:7000"]

# Messages that may wait undelivered, for all peers together.
# queue_limit = {queue_limit}

# Messages of one peer that may lie here, not done; then it has to wait.
# inbox_limit = {inbox_limit}

# Seconds between two attempts to reach a peer for which messages wait.
# retry_interval_s = {retry_interval_s}

# true: no listening, no dialling; what is sent waits.
# offline_mode = {offline_mode}

# Seconds for which a duplicate is still written into the audit log.
# replay_window_s = {replay_window_s}

[store]
# The store may grow so far; beyond it, writes fail cleanly.
# size_max_mib = {store_size_max_mib}

[identity]
# Where the recovery seed is kept, if not in this folder.
# root_file = "root.sealed"
"""


def default_text(*, name: str, listen: Iterable[Address]) -> str:
    return _TEMPLATE.format(
        name=json.dumps(name),  # Of what these two may hold, TOML and JSON write all in the same way.
        listen=", ".join(json.dumps(str(address)) for address in listen),
        discovery=", ".join(map(json.dumps, DEFAULTS.discovery)),
        lan=str(DEFAULTS.lan).lower(),
        registry=str(DEFAULTS.registry).lower(),
        relay=str(DEFAULTS.relay).lower(),
        queue_limit=DEFAULTS.queue_limit,
        inbox_limit=DEFAULTS.inbox_limit,
        retry_interval_s=DEFAULTS.retry_interval_s,
        offline_mode=str(DEFAULTS.offline_mode).lower(),
        replay_window_s=DEFAULTS.replay_window_s,
        store_size_max_mib=DEFAULTS.store_size_max_mib,
    )
