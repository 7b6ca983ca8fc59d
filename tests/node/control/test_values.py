from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from talos.control import values
from talos.control.fields import TEXT_LENGTH_MAX, Fields
from talos.control.values import PEERS_MAX, Handed, Peers, Status, Whoami
from talos.core.report import MessageId, NodeStatus, PeerCard, PeerStatus, Ping, Receipt, ReceiptState
from talos.errors import MalformedMessage

ID: Final = MessageId("peer", b"\x01" * 16, 3)
PEER: Final = PeerStatus("did:talos:p", ("a:1", "b:2"), True, False, 4, "away", ("c:3",), "dht")
STATUS: Final = NodeStatus("did:talos:n", "n", ("a:1",), 1.5, 1, 2, 3, 4, 5, True, None, (PEER,))
MANY: Final = PEERS_MAX + 5
LONG: Final = "e" * (TEXT_LENGTH_MAX + 1)  # As of an error that says what it has found.

CASES: Final[list[tuple[object, Callable[[Any], values.Written], Callable[[Fields], object]]]] = [
    (Whoami("did:talos:n", "n", b"\xff" * 32, ("a:1",)), values.write_whoami, values.read_whoami),
    (Status.of(STATUS), values.write_status, values.read_status),
    (Peers((PEER,), 7), values.write_peers, values.read_peers),
    (PEER, values.write_peer, values.read_peer),
    (Ping("did:talos:p", "dht", "a:1", 0.25, 0.002), values.write_ping, values.read_ping),
    (Ping("did:talos:p", "static", "a:1", None, 0.002), values.write_ping, values.read_ping),
    (PeerCard("did:talos:p", "a:1"), values.write_card, values.read_card),
    (ID, values.write_id, values.read_id),
    (Receipt(ID, ReceiptState.DELIVERED, 9, None), values.write_receipt, values.read_receipt),
    (Receipt(ID, ReceiptState.QUEUED, 9, "away"), values.write_receipt, values.read_receipt),
    (Handed(1, ID, b"\x00hi", True, 1_700_000_000_000), values.write_handed, values.read_handed),
]
MAY_BE_MISSING: Final = {"reason", "why_queued", "left_out", "found_by", "link_s"}


@pytest.mark.parametrize(("value", "write", "read"), CASES)
def test_what_the_node_writes_is_what_the_client_reads(
    value: object, write: Callable[[Any], values.Written], read: Callable[[Fields], object]
) -> None:
    assert read(Fields("answer", json.loads(json.dumps(write(value))))) == value


@pytest.mark.parametrize(("value", "write", "read"), CASES)
def test_a_field_that_is_missing_is_named(
    value: object, write: Callable[[Any], values.Written], read: Callable[[Fields], object]
) -> None:
    written = json.loads(json.dumps(write(value)))
    for name in written.keys() - MAY_BE_MISSING:
        with pytest.raises(MalformedMessage, match=name):
            read(Fields("answer", {key: value for key, value in written.items() if key != name}))


@pytest.mark.parametrize(
    ("value", "write", "read"),
    [
        (Status.of(replace(STATUS, reason=LONG, peers=(replace(PEER, reason=LONG),))), *CASES[1][1:]),
        (Peers((replace(PEER, reason=LONG),), 0), *CASES[2][1:]),
        (replace(PEER, reason=LONG), *CASES[3][1:]),
        (Receipt(ID, ReceiptState.QUEUED, 9, LONG), *CASES[9][1:]),
    ],
)
def test_a_reason_of_any_length_is_cut_to_what_a_client_reads(
    value: object, write: Callable[[Any], values.Written], read: Callable[[Fields], object]
) -> None:
    answer = str(read(Fields("answer", json.loads(json.dumps(write(value))))))
    assert "e" * TEXT_LENGTH_MAX in answer
    assert LONG not in answer


def test_an_answer_holds_so_many_peers_and_says_how_many_there_are() -> None:
    cut = Status.of(replace(STATUS, peers=(PEER,) * MANY))
    assert (len(cut.peers), cut.peer_count) == (PEERS_MAX, MANY)
    listed = Peers.of((PEER,) * MANY)
    assert (len(listed.peers), listed.left_out) == (PEERS_MAX, 5)
    assert Peers.of((PEER,)) == Peers((PEER,), 0)


@pytest.mark.parametrize("origin", ["", "01" * 15, "01" * 17, "xy" * 16])
def test_an_origin_is_16_bytes_in_hex(origin: str) -> None:
    with pytest.raises(MalformedMessage, match="origin"):
        values.read_id(Fields("answer", values.write_id(ID) | {"origin": origin}))


def test_a_state_that_is_none_is_refused() -> None:
    written = values.write_receipt(Receipt(ID, ReceiptState.QUEUED, 9)) | {"state": "lost"}
    with pytest.raises(MalformedMessage, match="state is 'lost'"):
        values.read_receipt(Fields("answer", written))
