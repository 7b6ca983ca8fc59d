"""The examples of control.md: lines of JSON, as server and client write them."""

from __future__ import annotations

from talos.control import values
from talos.control.fields import Fields, pack_octets
from talos.control.protocol import Request, failure, success
from talos.core.names import did_of, peer_id_of
from talos.core.report import MessageId, Receipt, ReceiptState
from talos.errors import DeliveryFailed, MalformedMessage
from tests.protocol.cast import ADA, BOB, NOW_MS
from tests.protocol.layout import Example, Text
from tests.protocol.meeting import ADA_ORIGIN, GREETING

MESSAGE_ID = MessageId(peer_id_of(ADA.did), ADA_ORIGIN, 1)


def request(number: int, verb: str, **arguments: object) -> Text:
    return Text(Request(number, verb, Fields(verb, arguments)).encode().decode())


def control() -> dict[str, Example]:
    receipt = Receipt(MESSAGE_ID, ReceiptState.DELIVERED, 2)
    handed = values.Handed(1, MESSAGE_ID, GREETING, redelivered=False, received_ms=NOW_MS)
    gave_up = DeliveryFailed("the peer did not acknowledge it within 30 s", may_have_arrived=True)
    no_request = MalformedMessage("a control line is not a JSON object")
    return {
        "control-send": request(7, "send", peer=did_of(BOB.did), message=pack_octets(GREETING), on_failure="queue"),
        "control-sent": Text(success(7, values.write_receipt(receipt)).decode()),
        "control-receive": request(8, "receive", wait_s=30),
        "control-received": Text(success(8, {"message": values.write_handed(handed)}).decode()),
        "control-ack": request(9, "ack", ticket=1),
        "control-acked": Text(success(9, {}).decode()),
        "control-failed": Text(failure(10, gave_up).decode()),
        "control-no-request": Text(failure(None, no_request).decode()),
    }
