"""Bugs of what is believed of others, and of what strangers can make a node do."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Any

from talos.services import dial, links
from talos_dht import shelf, statement
from talos_dht.contact import Contact
from talos_dht.messages import TOKEN_SIZE
from talos_dht.statement import KeyOf, Statement
from talos_dht.tokens import Tokens
from talos_simulations.mutants import mutant

among_liars = partial(mutant, scenario="liars_among_us")


@among_liars(statement, "check_signer", "Whose key log is known is believed, whatever the signature.")
def signature_not_checked(real: Any) -> Any:
    def check_signer(held: Statement, key_of: KeyOf, before: bytes | None = None) -> bytes:
        return key_of(held.did, held.log_seq, held.log_digest) or bytes(real(held, key_of, before))

    return check_signer


@among_liars(shelf, "rank", "What is brought takes the place of what is held, though it be older.")
def older_one_held(real: Any) -> Any:
    return lambda held: ()


@among_liars(Tokens, "holds", "Whatever is as long as a token counts as one.")
def token_not_looked_at(real: Any) -> Any:
    def holds(self: Tokens, token: bytes, contact: Contact, now_ms: int) -> bool:
        return len(token) == TOKEN_SIZE

    return holds


@among_liars(links, "GREETING_S", "Whoever dials may take as long as it likes to say who it is.")
def greeted_for_ever(real: Any) -> Any:
    return inf


@among_liars(dial, "GREETING_S", "Whoever is dialled may take as long as it likes to show what it was asked for.")
def waited_for_for_ever(real: Any) -> Any:
    return inf
