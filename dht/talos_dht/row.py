"""One row of what is held: how it is written, and what is wrong with one that was not written so.

name   place 20 | did 32
row    00 of a record, or 01 of a provider | size u8 of the network | network | record or provider
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from talos_dht.contact import ID_SIZE, IP_SIZE
from talos_dht.errors import Malformed
from talos_dht.moment import Now
from talos_dht.provider import Provider
from talos_dht.record import Record

Held: TypeAlias = Record | Provider


class Spoilt(NamedTuple):
    """A row that was kept and is not held."""

    name: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Row:
    held: Held
    until_ms: int  # On the monotonic clock.
    network: bytes | None  # Where it came from: at most 15 bytes.

    @classmethod
    def of(cls, held: Held, network: bytes | None, now: Now) -> Row:
        return cls(held, now.mono_ms + held.expires_ms - now.utc_ms, network)

    def encode(self) -> bytes:
        network = self.network or b""
        return bytes([isinstance(self.held, Provider), len(network)]) + network + self.held.encode()


def read_row(name: bytes, raw: bytes, now: Now) -> Row:
    """Raises `Malformed`."""
    if len(raw) < 2 or raw[0] > 1 or raw[1] > IP_SIZE:
        raise Malformed("row: neither a record nor a provider")
    network, statement = raw[2 : 2 + raw[1]], raw[2 + raw[1] :]
    held = Provider.decode(statement) if raw[0] else Record.decode(statement)
    places = [held.place] if isinstance(held, Provider) else held.places
    if name[ID_SIZE:] != held.did or name[:ID_SIZE] not in places:
        raise Malformed("row: its name does not follow from what it has")
    return Row.of(held, network or None, now)
