"""Whole nodes that hear each other at once."""

from __future__ import annotations

from random import Random

from talos_dht import (
    Dht,
    Done,
    Effect,
    Job,
    Send,
)
from tests.dht.people import contact
from tests.dht.publishers import NOW, KeyLogs, Publisher, at


class Net:
    """Nodes that hear each other at once. What goes elsewhere is kept in `astray`; and, while they are `parted`, what
    goes from even to odd numbers or back."""

    def __init__(self, count: int, *known: Publisher) -> None:
        self.logs = KeyLogs(*known)
        self.contacts = [contact(number) for number in range(count)]
        self.nodes = [self.made(number) for number in range(count)]
        self.by_place = {one.place: number for number, one in enumerate(self.contacts)}
        self.astray = list[Send]()
        self.other = list[Effect]()
        self.now = NOW
        self.parted = False
        for number in range(1, count):
            self.act(number, self.nodes[number].join([self.contacts[0]], NOW)[1])

    def made(self, number: int, *, serves: bool = True) -> Dht:
        dice = Random(number)
        rows: dict[bytes, bytes] = {}
        return Dht(
            contact(number).key, key_of=self.logs.key_of, entropy=dice.randbytes, rows=rows, now=NOW, serves=serves
        )

    def act(self, number: int, effects: list[Effect]) -> None:
        waiting = [(number, effect) for effect in effects]
        while waiting:
            at, effect = waiting.pop(0)
            if not isinstance(effect, Send):
                self.other.append(effect)
            elif (to := self.by_place.get(effect.to.place)) is None or (self.parted and (at + to) % 2):
                self.astray.append(effect)
            else:
                came = self.nodes[to].receive(self.contacts[at], effect.body, self.now)
                waiting += [(to, one) for one in came]

    def later(self, mono_ms: int) -> None:
        """Let everybody do what is due by then, when it is due."""
        while (wakes_at_ms := min(node.wakes_at_ms for node in self.nodes)) <= mono_ms:
            self.now = at(wakes_at_ms)
            for number, node in enumerate(self.nodes):
                self.act(number, node.tick(self.now))
        self.now = at(mono_ms)

    def done(self, job: Job) -> bool:
        return Done(job) in self.other
