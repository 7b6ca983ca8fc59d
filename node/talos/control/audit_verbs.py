"""What a client may ask of the node's audit log; read with `verbs`.

| verb | arguments | answer |
|---|---|---|
| audit_query | type, peer, from_ms, to_ms, last, before: each may be left out | `entries`: list of `AuditEntry` |
| audit_show | index | `AuditEntry` |
| audit_proof | index; since; reveal: true or false | `proof`: the text of proof.json |
| audit_root | peer: whose log, if not our own | `LogHead` |
| audit_verify_proof | proof: text; root: in hex | `AuditEntry`; an error if the proof does not hold |

`audit_query` answers with the newest of the entries that fit, the oldest first: `last` of them, and at most 48. Who
wants more asks again, `before` the first one; no entry is ever added among those that were there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from talos.client.asking import make_query, parse_root
from talos.control import audit_values
from talos.control.audit_values import ENTRIES_MAX
from talos.control.fields import Fields
from talos.control.values import COUNT_MAX
from talos.control.visit import Verb, Visit
from talos.core.names import parse_peer
from talos.core.proof_file import TEXT_SIZE_MAX, Proof


async def audit_query(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("type", "peer", "from_ms", "to_ms", "last", "before")
    last = arguments.optional_integer("last", least=0, most=COUNT_MAX)
    query = make_query(
        arguments.optional_text("type"),
        arguments.optional_text("peer"),
        from_ms=arguments.optional_integer("from_ms", least=0, most=COUNT_MAX),
        to_ms=arguments.optional_integer("to_ms", least=0, most=COUNT_MAX),
        last=ENTRIES_MAX if last is None else min(last, ENTRIES_MAX),
        before=arguments.optional_integer("before", least=0, most=COUNT_MAX),
    )
    return audit_values.write_entries(await visit.node.audit.query(query))


async def audit_show(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("index")
    return audit_values.write_entry(await visit.node.audit.entry(_index(arguments)))


async def audit_proof(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("index", "since", "reveal")
    proof = await visit.node.audit.proof(
        _index(arguments),
        since=arguments.optional_integer("since", least=0, most=COUNT_MAX),
        reveal=arguments.yes_or_no("reveal", default=True),
    )
    return {"proof": proof.encode()}


async def audit_root(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("peer")
    peer = arguments.optional_text("peer")
    audit = visit.node.audit
    return audit_values.write_head(await (audit.head() if peer is None else audit.peer_head(parse_peer(peer))))


async def audit_verify_proof(visit: Visit, arguments: Fields) -> Mapping[str, object]:
    arguments.only("proof", "root")
    root = parse_root(arguments.text("root"))
    proof = Proof.decode(arguments.text("proof", most=TEXT_SIZE_MAX))
    return audit_values.write_entry(visit.node.audit.check_proof(proof, root))


def _index(arguments: Fields) -> int:
    return arguments.integer("index", least=0, most=COUNT_MAX)


AUDIT_VERBS: Final[Mapping[str, Verb]] = {
    "audit_query": audit_query,
    "audit_show": audit_show,
    "audit_proof": audit_proof,
    "audit_root": audit_root,
    "audit_verify_proof": audit_verify_proof,
}
