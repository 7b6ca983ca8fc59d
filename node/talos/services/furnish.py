"""A desk, put together from what was opened."""

from __future__ import annotations

from talos.core.identity import Identity
from talos.core.prekeys import PrekeyRing
from talos.core.sessions import Ours, Wear
from talos.core.tables import PREKEYS, SEEN
from talos.core.vault import Vault
from talos.host import Host
from talos.services.commit import Committer
from talos.services.desk import Desk
from talos.services.directory import Directory
from talos.services.post import Post
from talos_ratchet import Suite


def furnish(
    host: Host,
    me: Identity,
    vault: Vault,
    committer: Committer,
    suite: Suite,
    wear: Wear,
    *,
    store_size_max_mib: int,
    replay_window_s: int,
    inbox_limit: int,
) -> Desk:
    """Return the desk of a node that is about to run. The settings are those of `Config`."""
    secrets = (vault, host.entropy, host.encapsulate)
    ours = Ours(me.did, me.party.encode(), me.pair, me.origin, *secrets, suite, wear)
    ring = PrekeyRing(
        sign=me.sign, signer=me.party.ed25519, agreement=me.party.x25519, entropy=host.entropy, vault=vault
    )
    ring.load(host.store.scan(PREKEYS), seen=sum(1 for _ in host.store.scan(SEEN)))
    post = Post(
        host,
        ours,
        committer,
        store_size_max_mib=store_size_max_mib,
        replay_window_s=replay_window_s,
        inbox_limit=inbox_limit,
    )
    return Desk(host, me, ring, Directory(host, committer, me.key_log, post.newcomers), post)
