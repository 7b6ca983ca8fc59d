"""All mutants, by what they break."""

from __future__ import annotations

from typing import Final

from tests.mutants import (
    audit,
    contacts,
    discovery,
    finding,
    identity,
    links,
    messages,
    near,
    outgoing,
    ratchet,
    sessions,
    storing,
)
from tests.mutants.mutant import Mutant

MUTANTS: Final[tuple[Mutant, ...]] = (
    *ratchet.MUTANTS,
    *sessions.MUTANTS,
    *outgoing.MUTANTS,
    *messages.MUTANTS,
    *storing.MUTANTS,
    *audit.MUTANTS,
    *identity.MUTANTS,
    *links.MUTANTS,
    *contacts.MUTANTS,
    *discovery.MUTANTS,
    *near.MUTANTS,
    *finding.MUTANTS,
)
