"""What a liar has to show: what an honest node once said, what it never said, and its whole key log."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from talos.core.identity import Identity, load
from talos.core.whereabouts import own_record
from talos_dht import LIFE_MS, Address, Contact, Record
from talos_dht.statement import SEQ_MAX
from talos_simulations.machine import PORT, Machine

HOUR_MS: Final = 3_600_000


def identity_of(machine: Machine) -> Identity:
    """Return who the process on this machine is, as it reads that from its disk."""
    return load(machine.state.rows, machine.vault(), machine.rotation_key, machine.clocks.wall_ms(0.0))


class Victim:
    """An honest node, as who has watched it for long knows it: where it is, its key log, and what it has signed."""

    def __init__(self, machine: Machine) -> None:
        self._me = identity_of(machine)
        self._now_ms = machine.clocks.wall_ms(0.0)
        self.address = machine.address
        self.did = machine.did
        self.contact = Contact.at(self._me.pair.public, machine.name, PORT)
        self.log = self._me.key_log.encode()
        self.party = self._me.party.encode()

    def said(self, hours_ago: int, host: str) -> Record:
        """Return what it has said before the run: that it was there. It is truly signed, and good for four hours."""
        then_ms = self._now_ms - hours_ago * HOUR_MS
        return own_record(self._me, b"", [Address(host, PORT)], then_ms, then_ms)

    def forged(self, host: str) -> Record:
        """Return what it never said: that it is there now, and for ever. The signature is of something else."""
        return replace(self.said(1, host), seq=SEQ_MAX, expires_ms=self._now_ms + LIFE_MS)

    def signed_by(self, other: Identity, host: str) -> Record:
        """Return the same, signed by somebody else."""
        return self.forged(host).signed(other.sign_identity)
