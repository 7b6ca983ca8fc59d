"""What the audit logs must be: whole, growing only, and the whole truth about messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from talos.core.acts import content_commitment
from talos.core.chain import check_chain, open_note_of, read_card
from talos.core.diary import CHECKPOINT_KEY
from talos.core.entries import Leaf, Opened
from talos.core.entry_types import EntryType, read_own_body
from talos.core.log_rows import next_index
from talos.core.names import parse_peer
from talos.core.tables import META
from talos.errors import TalosError
from talos_simulations.books import Ledger, body
from talos_simulations.check import Check

if TYPE_CHECKING:
    from talos_simulations.machine import Machine
    from talos_simulations.world import World

KEPT_MAX: Final = 100  # Checkpoints of one node that somebody else is taken to have kept.


class LogOnlyGrows(Check):
    """Every log verifies, and goes on from every checkpoint that was ever signed, or shown to another node."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._notes: dict[str, list[bytes]] = {}
        self._sizes: dict[str, int] = {}

    def looks(self) -> Iterator[str]:
        for name, machine in self.world.machines.items():
            note = machine.state.rows.get(META, CHECKPOINT_KEY)
            kept = self._notes.setdefault(name, [])
            if note is not None and (not kept or kept[-1] != note) and len(kept) < KEPT_MAX:
                kept.append(note)
            size = next_index(machine.state.rows)
            if size < self._sizes.get(name, 0) and self.world.is_whole(name):
                yield f"the log of {name} had {self._sizes[name]} entries, and has {size}"
            self._sizes[name] = size

    def concludes(self) -> Iterator[str]:
        for name, machine in self.world.machines.items():
            if self.world.is_whole(name):
                try:
                    self.world.told[name] = _read(
                        machine, [*self._notes.get(name, []), *self.world.books.notes_of(name)]
                    )
                except TalosError as error:
                    yield f"the log of {name}: {error}"


class Told:
    """What one log says of messages: by event and peer, how often of each number."""

    def __init__(self, names: Mapping[bytes, str]) -> None:
        self._names = names  # By DID hash.
        self._events: dict[tuple[str, str], Counter[int]] = {}
        self.commitments: dict[tuple[str, int], tuple[bytes, str]] = {}

    def take(self, index: int, leaf: Leaf, opened: Opened) -> None:
        if leaf.type is not EntryType.MESSAGE:
            return
        details = read_own_body(leaf.type, opened.body)
        event, peer = str(details["event"]), self._names[opened.subject]
        seq, count = int(details["seq"]), int(details["count"])
        self.of(event, peer).update(range(seq, seq + count))
        if event == "received":
            self.commitments[peer, seq] = opened.content_salt, str(details["commitment"])

    def of(self, event: str, peer: str) -> Counter[int]:
        return self._events.setdefault((event, peer), Counter())


def _read(machine: Machine, notes: Sequence[bytes] = ()) -> Told:
    """Check a log, also against the checkpoints that were kept of it; return what it tells. Raises `Damaged`."""
    rows, told = machine.state.rows, Told({parse_peer(did): name for name, did in machine.world.dids.items()})
    card = read_card(rows)
    check_chain(rows, machine.vault(), held=[open_note_of(card, note) for note in notes], seen=told.take)
    return told


class LogTellsAll(Check):
    """No message without its entries, and no entry without its message."""

    def concludes(self) -> Iterator[str]:
        told: dict[str, Told] = {}
        for name, machine in self.world.machines.items():
            if self.world.is_sound(name):
                try:
                    told[name] = self.world.told.pop(name) if name in self.world.told else _read(machine)
                except TalosError as error:
                    yield f"the log of {name} cannot be read: {error}"
        for ledger in self.world.books.ledgers():
            if ledger.sender in told and ledger.receiver in told:
                for text in self._compare(ledger, told[ledger.sender], told[ledger.receiver]):
                    yield f"{ledger.sender} to {ledger.receiver}: {text}"

    def _compare(self, ledger: Ledger, sender: Told, receiver: Told) -> Iterator[str]:
        sent, delivered, void = (sender.of(event, ledger.receiver) for event in ("sent", "delivered", "void"))
        received, done = (receiver.of(event, ledger.sender) for event in ("received", "done"))
        for event, counted in (("sent", sent), ("delivered", delivered), ("received", received), ("done", done)):
            twice = [seq for seq, times in counted.items() if times > 1]
            if twice:
                yield f"{event} {twice[0]} was written {counted[twice[0]]} times"
        handed = set(ledger.seqs.values())
        differences = {
            "accepted, and not written down": ledger.accepted_seqs - set(sent),
            "written down as sent, neither delivered nor given up": set(sent) - set(delivered) - set(void),
            "delivered, says the sender, not the receiver": set(delivered) - set(received),
            "handed out, not written down": handed - set(received),
            "written down as received, never handed out": set(received) - handed,
            "done, not written down": {ledger.seqs[number] for number in ledger.done} - set(done),
            "received, and never done": set(received) - set(done),
        }
        for text, seqs in differences.items():
            if seqs:
                yield f"number {min(seqs)} was {text} ({len(seqs)} in all)"
        if sent and set(sent) != set(range(1, max(sent) + 1)):
            yield f"the numbers sent have gaps: {len(sent)} up to {max(sent)}"
        for number, seq in ledger.seqs.items():
            salt, commitment = receiver.commitments.get((ledger.sender, seq), (b"", ""))
            content = body(ledger.sender, ledger.receiver, number, self.world.load.size)
            if commitment and content_commitment(salt, content).hex() != commitment:
                yield f"the entry of number {seq} commits to something else than was handed out"
