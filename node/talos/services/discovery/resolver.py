"""From a DID to its document: with what is known here, what discovery finds, and what the peer itself shows."""

from __future__ import annotations

from collections.abc import Sequence

from talos.core.did_document import DidDocument, document_of
from talos.core.did_key import DID_KEY_PREFIX, document_of_key
from talos.core.keylog import KeyLog
from talos.core.names import did_of, parse_peer
from talos.core.whereabouts import own_record
from talos.errors import NotReachable, TalosError
from talos.services.desk import Desk
from talos.services.dial import Dialler
from talos.services.discovery.finder import Finder
from talos_dht import Address, Record


async def resolve(
    text: str, desk: Desk, dialler: Dialler | None, finder: Finder | None, own: Sequence[Address]
) -> DidDocument:
    """Return the document of a DID or peer id, or of a did:key.

    `finder` is None without discovery, `dialler` where nobody may be dialled; `own` is where others are told that we
    are. Raises `UsageError` for what names nobody, and `NotReachable`, with every reason, where its key log is not to
    be had; the newest record is not needed: without one, nobody knows where the identity is now.
    """
    if text.startswith(DID_KEY_PREFIX):
        return document_of_key(text)
    did, now_ms = parse_peer(text), desk.now_ms()
    if did == desk.me.did:
        here = own_record(desk.me, desk.ring.bundle, own, 0, now_ms) if own else None
        return document_of(desk.me.key_log, here, now_ms)
    record, reasons = await _newest(did, finder)
    log = desk.directory.key_log(did) if finder is None else finder.key_log(did)
    if log is None:
        log = await _shown(did, desk, dialler, reasons)
    return document_of(log, record, desk.now_ms())


async def _newest(did: bytes, finder: Finder | None) -> tuple[Record | None, list[str]]:
    """Return the newest record there is, or why there is none."""
    if finder is None:
        return None, ["discovery is off"]
    try:
        return await finder.find(did), []
    except NotReachable as error:
        return finder.cached(did), [error.what]


async def _shown(did: bytes, desk: Desk, dialler: Dialler | None, reasons: list[str]) -> KeyLog:
    """Ask where the peer is said to be for its key log, and keep it. Raises `NotReachable`, `StoreFailed`."""
    if dialler is None:
        raise _nobody(did, [*reasons, "the node is offline (offline_mode)"])
    addresses = desk.directory.addresses(did)
    for address in addresses:
        try:
            log = await dialler.ask_key_log(address, did)
        except TalosError as error:
            reasons.append(f"{address}: {error.what}")
        else:
            await desk.learn(log)
            return log
    raise _nobody(did, reasons if addresses else [*reasons, "no address of it is known"])


def _nobody(did: bytes, reasons: list[str]) -> NotReachable:
    return NotReachable(
        f"nobody shows the key log of {did_of(did)} ({'; '.join(reasons)})",
        fix="Is its node running? `talos peers add DID@HOST:PORT` says where",
    )
