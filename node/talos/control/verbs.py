"""What a client may ask of the node, one function per verb: arguments out of the request, an answer back.

| verb | arguments | answer |
|---|---|---|
| status | | `NodeStatus` with at most 1,000 peers, and `peer_count`: how many there are |
| whoami | | `Whoami` |
| peers | | `peers`: list of at most 1,000 `PeerStatus`; `left_out`: how many more there are |
| peers_add | address: DID@HOST:PORT | `PeerStatus` |
| establish_session | peer | `PeerStatus`, once there is a session |
| reset_session | peer | `PeerStatus`, once there is a new one |
| resolve | did | as `DidDocument.resolution` has it |
| ping | peer | `Ping` |
| find | topic | `offers`: list of at most 20 `Offer` |
| diagnose | duplicates | `points`: list of `Diagnosis`: of the network, or of others with our identity |
| look | address: HOST:PORT; did, if one is expected | `PeerCard` |
| send | peer, message; timeout_s, retry_count, on_failure | `Receipt` |
| receive | wait_s | `message`: `Handed`, or null if none came in time |
| ack | ticket | once the message is done and on disk |
| stop | | before the node stops |
| audit_... | what was written down: see `audit_verbs` | |

Each raises `UsageError` for its arguments, and whatever the node raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from talos.config import parse_address, parse_topic
from talos.control import values
from talos.control.audit_verbs import AUDIT_VERBS
from talos.control.fields import Fields
from talos.control.values import (
    ON_FAILURE,
    ON_FAILURE_DEFAULT,
    RETRIES,
    RETRIES_MAX,
    TICKETS_MAX,
    TIMEOUT_MAX_S,
    TIMEOUT_S,
    WAIT_MAX_S,
)
from talos.control.visit import Verb, Visit
from talos.core.names import PeerAddress, parse_peer
from talos.errors import Refused, TalosError, UsageError
from talos.services.messages import Message


async def status(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only()
    return values.write_status(values.Status.of(visit.node.status()))


async def whoami(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only()
    node = visit.node
    return values.write_whoami(values.Whoami(node.did, node.peer_id, node.public_key, node.addresses))


async def peers(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only()
    return values.write_peers(values.Peers.of(visit.node.peers()))


async def peers_add(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("address")
    return values.write_peer(await visit.node.add_peer(PeerAddress.parse(arguments.text("address"))))


async def establish_session(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("peer")
    return values.write_peer(await visit.node.establish_session(arguments.text("peer")))


async def reset_session(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("peer")
    return values.write_peer(await visit.node.reset_session(arguments.text("peer")))


async def resolve(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("did")
    return (await visit.node.resolve(arguments.text("did"))).resolution()


async def ping(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("peer")
    return values.write_ping(await visit.node.ping(arguments.text("peer")))


async def find(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("topic")
    return values.write_offers(await visit.node.find(parse_topic(arguments.text("topic"))))


async def diagnose(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("duplicates")
    duplicates = arguments.yes_or_no("duplicates", False)
    return values.write_diagnoses(await visit.node.diagnose(duplicates=duplicates))


async def look(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("address", "did")
    did = arguments.optional_text("did")
    address = parse_address(arguments.text("address"))
    return values.write_card(await visit.node.look(address, None if did is None else parse_peer(did)))


async def send(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("peer", "message", "timeout_s", "retry_count", "on_failure")
    on_failure = ON_FAILURE.get(arguments.text("on_failure", ON_FAILURE_DEFAULT))
    if on_failure is None:
        raise UsageError(f"send: on_failure is none of {', '.join(ON_FAILURE)}")
    receipt = await visit.node.send(
        arguments.text("peer"),
        arguments.octets("message"),
        timeout=arguments.number("timeout_s", most=TIMEOUT_MAX_S, default=TIMEOUT_S),
        retry_count=arguments.integer("retry_count", least=0, most=RETRIES_MAX, default=RETRIES),
        on_failure=on_failure,
    )
    return values.write_receipt(receipt)


async def receive(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("wait_s")
    wait_s = arguments.number("wait_s", most=WAIT_MAX_S, default=0.0)
    if len(visit.tickets) + len(visit.waits) >= TICKETS_MAX:
        raise Refused(f"this connection holds {TICKETS_MAX} messages", fix="Acknowledge some first")
    message = None if visit.has_left else visit.node.receive_nowait()
    if message is None and wait_s:
        message = await _awaited(visit, wait_s)
    if message is None:
        return {"message": None}
    # No checkpoint from here to the table: a message is in nobody's hands for no time.
    ticket = visit.next_ticket
    visit.next_ticket += 1
    visit.tickets[ticket] = message
    handed = values.Handed(ticket, message.id, message.body, message.redelivered, message.received_ms)
    return {"message": values.write_handed(handed)}


async def _awaited(visit: Visit, wait_s: float) -> Message | None:
    """Return a message that comes within `wait_s` seconds, while the client is there."""
    with visit.clock.move_on_after(wait_s) as wait:
        if visit.has_left:
            wait.cancel()
        visit.waits.add(wait)
        try:
            return await visit.node.receive()
        finally:
            visit.waits.remove(wait)
    return None


async def ack(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("ticket")
    ticket = arguments.integer("ticket", least=1, most=values.COUNT_MAX)
    # Out of the table first: what may be done must not be released if the client leaves meanwhile.
    message = visit.tickets.pop(ticket, None)
    if message is None:
        raise UsageError(
            f"this connection holds no ticket {ticket}", fix="A ticket is good once, where it was handed out"
        )
    try:
        await message.ack()
    except TalosError:
        visit.tickets[ticket] = message
        raise
    return {}


async def stop(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only()
    return {}  # The server stops the node once this is on its way.


VERBS: Final[Mapping[str, Verb]] = {
    "status": status,
    "whoami": whoami,
    "peers": peers,
    "peers_add": peers_add,
    "establish_session": establish_session,
    "reset_session": reset_session,
    "resolve": resolve,
    "ping": ping,
    "find": find,
    "diagnose": diagnose,
    "look": look,
    "send": send,
    "receive": receive,
    "ack": ack,
    "stop": stop,
    **AUDIT_VERBS,
}
