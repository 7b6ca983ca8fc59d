"""What has to be done now and then: new prekeys, old sessions forgotten, key logs of linked peers asked for anew."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import trio

from talos.core.entries import Entry
from talos.core.entry_types import EntryType, write_body
from talos.core.step import Step
from talos.errors import StoreFailed, TalosError
from talos.services.desk import Desk
from talos.services.peer import Peer
from talos.services.requests import Requests, RequestType

ROUND_S: Final = 3600.0  # Between two rounds; what they do is due daily or weekly.
ASK_S: Final = 30.0


async def keep_up(desk: Desk, requests: Requests) -> None:
    """Do a round every hour, until cancelled."""
    while True:
        await desk.host.clock.sleep(ROUND_S)
        with suppress(StoreFailed):  # The node's status says why, and the next round tries again.
            await rotate_prekeys(desk)
        for peer in desk.post.peers():
            await trio.lowlevel.checkpoint()  # There may be ten thousand, and a key log to verify for each.
            desk.post.submit(peer, peer.conversation.expire(desk.now_ms()))
            try:
                desk.recheck(peer)
            except TalosError as error:  # One peer's damage must not end the node, nor what the others need.
                peer.reason = f"its key log cannot be read: {error}"
                continue
            if peer.link is not None:
                await refresh(desk, requests, peer)


async def rotate_prekeys(desk: Desk) -> None:
    """Make a new signed prekey if one is due. Raises `StoreFailed` or `NodeStopped`."""
    rotation = desk.ring.rotation(desk.host.store, desk.now_ms())
    if rotation is not None:
        entries: tuple[Entry, ...] = ()
        if rotation.made is not None:
            body = write_body(EntryType.PREKEY_ROTATE, rotation.made)
            entries = (Entry(EntryType.PREKEY_ROTATE, desk.now_ms(), desk.me.did, body),)
        step = Step(rotation.writes, entries)
        await desk.post.submit_own(step, granted=lambda: desk.ring.rotated(rotation)).on_disk()


async def refresh(desk: Desk, requests: Requests, peer: Peer) -> None:
    """Ask a linked peer for its key log, and live by what it says. A peer that does not answer is let be."""
    try:
        raw = await requests.ask(peer, RequestType.KEY_LOG, timeout_s=ASK_S)
        log = desk.directory.read(raw)
        if log.state.did == peer.did:
            await desk.learn(log)
    except TalosError as error:
        peer.reason = f"its key log was not to be had: {error}"
