"""A machine that lies: what it opens, and the tasks that run on it for as long as the run lasts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from talos.core.boxes import Boxes
from talos.errors import Damaged, MalformedMessage
from talos.host import Address
from talos_dht import Contact, Malformed, Reply, Request, is_reply
from talos_simulations import dice
from talos_simulations.clock import ProcessClock
from talos_simulations.hostile.babble import Babbler
from talos_simulations.hostile.doors import Doors
from talos_simulations.hostile.knocks import Knocks
from talos_simulations.hostile.loot import Victim, identity_of
from talos_simulations.hostile.words import Colluder, Flooder, Forger, Liar, Plausible
from talos_simulations.machine import PORT, Machine
from talos_simulations.network import Card, SimListener
from talos_simulations.power import Power

if TYPE_CHECKING:
    from talos_simulations.world import World

CHARACTERS: Final = (Forger, Plausible, Colluder, Babbler, Flooder)  # One after the other.
KNOCK_S: Final = 3.0  # Between two streams that it opens; each may be held for longer.
SPOOFED: Final = 4  # Of so many requests, one says that it comes from an honest node.
NOWHERE: Final = Address("10.8.8.8", PORT)  # Nobody is there: whatever is sent there was had by lying.


def settle(world: World, names: Sequence[str]) -> list[Lair]:
    """Put a liar on a machine of each of these names, beside the nodes that are there."""
    victims = [Victim(machine) for machine in world.machines.values()] if names else []
    contacts: list[Contact] = []
    return [Lair(world, name, number, victims, contacts) for number, name in enumerate(names)]


class Lair:
    """The `number`-th liar of a world. `contacts` are those of all liars: it is added to them."""

    def __init__(
        self, world: World, name: str, number: int, victims: Sequence[Victim], contacts: list[Contact]
    ) -> None:
        machine = Machine(world, name)  # For its identity alone: no node runs on it.
        self.me = identity_of(machine)
        self._network = world.network
        self._victims = victims
        self._entropy = machine.entropy
        self._boxes = Boxes(self.me.pair, machine.entropy)
        power = Power()
        self._card = Card(world.network, machine.site, power)
        self._clock = ProcessClock(machine.clocks, power, world.network.agenda.now)
        self.address = machine.address
        contact = Contact.at(self.me.pair.public, name, machine.address.port)
        contacts.append(contact)
        self._dice = dice.stream(world.seed, "liar", name)
        did = partial(world.note, "lied", name, "", 0)
        liar = Liar(self.me, contact, victims, contacts, self._dice, self._entropy, self._clock.wall_ms, did)
        self.words: Plausible = CHARACTERS[number % len(CHARACTERS)](liar)
        self.doors = Doors(liar, self._clock)
        self.knocks = Knocks(liar, self._card, self._clock, self._put)
        self._tokens: dict[Address, bytes] = {}

    async def run(self) -> None:
        """Until cancelled."""
        box = await self._card.open_datagrams(self.address)
        listener = await self._card.listen_stream(self.address)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask)
            nursery.start_soon(self._knock, nursery)
            nursery.start_soon(self._accept, listener, nursery)
            while True:
                await self._hear(*await box.receive_from())

    async def _hear(self, data: bytes, source: Address) -> None:
        try:
            key, body = self._boxes.open(data)
            if is_reply(body):
                self._tokens[source] = Reply.decode(body).token
                return
            request, sender = Request.decode(body), Contact.at(key, source.host, source.port)
        except (Damaged, MalformedMessage, Malformed):
            return
        for reply in self.words.replies(request, sender):
            self._send(key, reply, source)

    async def _ask(self) -> None:
        await self._clock.sleep(self._dice.random() * self.words.PERIOD_S)
        while True:
            victim = self._dice.choice(self._victims)
            for body in self.words.asks(self._tokens.get(victim.address, b"")):
                says = self.address
                if isinstance(self.words, Flooder) and not self._dice.randrange(SPOOFED):
                    says = self._dice.choice(self._victims).address
                self._send(victim.contact.key, body, victim.address, says)
            for body in self.words.asks_for_another(self._tokens.get(victim.address, b"")):
                self._send(victim.contact.key, body, victim.address, NOWHERE)
            await self._clock.sleep(self.words.PERIOD_S)

    def _put(self, victim: Victim) -> None:
        """Bring a victim what is true of this machine's identity, of which nobody has heard."""
        body = self.words.put(self.words.own_record(), self._tokens.get(victim.address, b""))
        self._send(victim.contact.key, body, victim.address)

    def _send(self, key: bytes, body: bytes, to: Address, says: Address | None = None) -> None:
        """Send a datagram of any size, from whatever address."""
        self._network.post.send(self._boxes.seal(key, body), says or self.address, to)

    async def _accept(self, listener: SimListener, nursery: trio.Nursery) -> None:
        while True:
            nursery.start_soon(self.doors.answer, await listener.accept())

    async def _knock(self, nursery: trio.Nursery) -> None:
        while True:
            await self._clock.sleep(KNOCK_S * (0.5 + self._dice.random()))
            nursery.start_soon(self.knocks.knock, self._dice.choice(self._victims))
