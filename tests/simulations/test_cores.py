"""The rules of delivery alone, in a field of many cores: nothing lost, nothing twice, in order."""

from __future__ import annotations

import pytest

from talos.core.marks import HighWater
from talos.core.outbox import Outbox
from talos_simulations.cores import Field, Out, Wire
from talos_simulations.delivery import SAY, Parcels

MESSAGES = 40
PEERS = 8
FEW = 4  # Nodes: a broken rule may make them talk without end.
EVENTS_MAX = 50_000
END_MS = 90_000  # All was said after 40 s; what is lost is sent again every 2 s.


def field(seed: int, wire: Wire, count: int = 24) -> tuple[Field, list[Parcels]]:
    """Run a field of `count` nodes to its end."""
    peers = min(PEERS, count - 1)
    nodes = [Parcels(seed, at, [(at + step) % count for step in range(1, peers + 1)], MESSAGES) for at in range(count)]
    made = Field(seed, list(nodes), wire)
    for number in range(count):
        made.post(Out(number, SAY, number % 1_000))
    made.run(END_MS, EVENTS_MAX)
    return made, nodes


def flaws(nodes: list[Parcels]) -> list[str]:
    """Return what is wrong with what the applications were handed."""
    found = [f"{node.undelivered} messages of {at} wait" for at, node in enumerate(nodes) if node.undelivered]
    for receiver, node in enumerate(nodes):
        numbers: dict[int, list[int]] = {}
        for sender, seq in node.handed:
            numbers.setdefault(sender, []).append(seq)
        for sender, other in enumerate(nodes):
            expected = list(range(1, other.accepted.get(receiver, 0) + 1))
            if numbers.get(sender, []) != expected:
                found.append(f"{sender} to {receiver}: {numbers.get(sender)}")
    return found


BAD = Wire(latency_ms=(1.0, 900.0), loss=0.3, duplicate=0.2)


@pytest.mark.parametrize("wire", [Wire(), BAD], ids=["good", "bad"])
def test_everything_arrives_once_and_in_order(wire: Wire) -> None:
    made, nodes = field(1, wire)
    assert flaws(nodes) == []
    assert sum(len(node.handed) for node in nodes) == len(nodes) * MESSAGES
    assert made.events > 3 * len(nodes) * MESSAGES


def test_equal_seeds_give_equal_runs() -> None:
    runs = [[node.handed for node in field(seed, BAD)[1]] for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_mark_that_is_not_raised_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = HighWater.took

    def took(self: HighWater, origin: bytes, seq: int) -> object:
        return real(self, origin, seq - 1 if seq == 3 else seq)

    monkeypatch.setattr(HighWater, "took", took)
    assert flaws(field(1, BAD, FEW)[1])


def test_an_acknowledgement_that_covers_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Outbox.acked

    def acked(self: Outbox, high: int) -> object:
        return real(self, min(high + 1, self.next_seq - 1))

    monkeypatch.setattr(Outbox, "acked", acked)
    assert flaws(field(1, BAD, FEW)[1])
