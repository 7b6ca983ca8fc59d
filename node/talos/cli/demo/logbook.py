"""The end of the demo: every log is verified, and one node is shown what another received."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from talos.cli.demo.fleet import DemoNode
from talos.cli.demo.traffic import Stream, Traffic
from talos.core.acts import content_commitment
from talos.core.chain import check_chain
from talos.core.entry_types import EntryType
from talos.core.names import DID_PREFIX
from talos.core.report import AuditEntry, ChainReport, MessageId
from talos.drivers.real_host import Workers
from talos.errors import Damaged
from talos.runtime import data_folder

MESSAGE_TYPE: Final = EntryType.MESSAGE.name
MessageName = tuple[str, str, int]  # DID of the sender, origin in hex, seq.


@dataclass(frozen=True, slots=True)
class Book:
    """One node's log, and how well it fits what was seen of the node from outside."""

    owner: str
    report: ChainReport
    missing: int  # Messages that arrived, without an entry here.
    surplus: int  # Entries about messages that nobody saw.

    @property
    def is_good(self) -> bool:
        return not self.missing and not self.surplus


@dataclass(frozen=True, slots=True)
class Shown:
    """`witness` holds for certain now that `owner` received a message of `sender`, though it saw nothing of it."""

    witness: str
    owner: str
    sender: str
    index: int  # Of the entry in the owner's log.
    root: str  # In hex: what the witness had asked the owner for before.
    file: str  # The message was a piece of it.


async def read_books(nodes: tuple[DemoNode, ...], traffic: Traffic) -> list[Book]:
    """Verify each log as `talos audit verify-chain` does, beside its node, and count its entries. Raises `Damaged`."""
    return [await _read_book(node, traffic) for node in nodes]


async def _read_book(node: DemoNode, traffic: Traffic) -> Book:
    report = await Workers()(partial(_verify, node))
    entries = await (await node.client()).audit_query(MESSAGE_TYPE)
    written = {name for event in ("received", "delivered") for entry in entries for name in _names(entry, event)}
    seen = {
        _name_of(id)
        for stream in traffic.streams.values()
        if node in (stream.sender, stream.receiver)
        for ids in stream.arrivals.values()
        for id in ids
    }
    return Book(node.name, report, missing=len(seen - written), surplus=len(written - seen))


def _verify(node: DemoNode) -> ChainReport:
    with data_folder(node.config).read() as rows:
        return check_chain(rows)


async def show_receipt(stream: Stream, witness: DemoNode, traffic: Traffic) -> Shown:
    """Prove to `witness`, which took no part in `stream`, that its receiver got a certain message.

    The witness asks the receiver for its root first, and then checks by that root alone what it is shown.
    Raises `Damaged` where anything does not hold.
    """
    here, there = await stream.receiver.client(), await witness.client()
    head = await there.audit_root(stream.receiver.did)
    entries = await here.audit_query(MESSAGE_TYPE, stream.sender.did)
    index = next(entry.index for entry in reversed(entries) if list(_names(entry, "received")))
    proof = await here.audit_proof(index, since=head.size)
    entry = await there.audit_verify_proof(proof.encode(), head.root)
    (name,) = _names(entry, "received")
    piece = next(
        piece for piece in traffic.pieces if name in {_name_of(id) for id in stream.arrivals.get(piece.key, set())}
    )
    shown, kept = entry.details or {}, (await here.audit_show(index)).details or {}
    salt = bytes.fromhex(str(kept["salt"]))  # In no proof: the receiver gives it away with the message, or does not.
    if index >= head.size:
        raise Damaged(f"entry {index} came after the root that {witness.name} holds")
    if "salt" in shown or content_commitment(salt, piece.encode()).hex() != shown["commitment"]:
        raise Damaged(f"entry {index} commits to another message than the one that arrived")
    return Shown(witness.name, stream.receiver.name, stream.sender.name, index, head.root, piece.name)


def _names(entry: AuditEntry, event: str) -> Iterator[MessageName]:
    """Yield the messages that an entry tells this of."""
    details = entry.details
    if details is not None and details["event"] == event:
        for seq in range(int(details["seq"]), int(details["seq"]) + int(details["count"])):
            yield str(details["sender"]), str(details["origin"]), seq


def _name_of(id: MessageId) -> MessageName:
    return DID_PREFIX + id.sender, id.origin.hex(), id.seq
