"""All worked examples of docs/protocol, by name."""

from __future__ import annotations

from functools import cache

from tests.protocol import (
    examples_audit,
    examples_control,
    examples_dht,
    examples_identity,
    examples_link,
    examples_session,
)
from tests.protocol.layout import Example


@cache
def examples() -> dict[str, Example]:
    return {
        **examples_identity.identity(),
        **examples_identity.party(),
        **examples_identity.prekeys(),
        **examples_session.handshake(),
        **examples_session.ratchet(),
        **examples_link.link(),
        **examples_link.contents(),
        **examples_audit.audit(),
        **examples_control.control(),
        **examples_dht.dht(),
    }
