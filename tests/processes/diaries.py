"""The audit logs of two nodes that talked and came to an end, against their journals and against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from talos.config import Config
from talos.core.acts import content_commitment
from talos.core.chain import check_chain
from talos.core.diary_read import Query, Reader
from talos.core.entry_types import EntryType
from talos.runtime import data_folder
from tests.processes.journal import Read


@dataclass(slots=True)
class Diary:
    """What one node's log says of messages: how often each event was written for each number."""

    sent: Counter[int] = field(default_factory=Counter)
    delivered: Counter[int] = field(default_factory=Counter)
    void: Counter[int] = field(default_factory=Counter)
    received: Counter[int] = field(default_factory=Counter)
    done: Counter[int] = field(default_factory=Counter)
    commitments: dict[int, tuple[bytes, str]] = field(default_factory=dict)  # Salt and commitment, as received.

    def note(self, details: Mapping[str, str | int]) -> None:
        seq, count = int(details["seq"]), int(details["count"])
        events: Counter[int] = getattr(self, str(details["event"]))
        events.update(range(seq, seq + count))
        if details["event"] == "received":
            self.commitments[seq] = bytes.fromhex(str(details["salt"])), str(details["commitment"])


def read_diary(folder: Path) -> Diary:
    """Check the whole log in a data folder whose node is gone, bodies too, and return what it says."""
    diary = Diary()
    with data_folder(Config(name="reader", data_dir=folder)).open(None) as opened:
        store = opened.host.store
        check_chain(store, opened.vault)
        for entry in Reader(store, opened.vault).query(Query(type=EntryType.MESSAGE)):
            assert entry.details is not None
            diary.note(entry.details)
    return diary


def disagreements(sender: Diary, receiver: Diary, sent: Read, received: Read) -> list[str]:
    """Return every message without its entry, and every entry without its message, of one direction."""
    found = [f"{name} {seq} was written {times} times" for name, seq, times in _doubled(sender, receiver)]
    accepted = {int(seq) for seq, _ in sent.all("sent")}
    handed = {int(seq): body for seq, body, _ in received.all("handed")}
    done = {int(seq) for (seq,) in received.all("done")}
    found += [f"accepted {seq}, not written down" for seq in accepted - set(sender.sent)]
    found += [f"sent {seq} is written down, neither delivered nor given up" for seq in _open(sender)]
    found += [f"delivered {seq}, says the sender, not the receiver" for seq in sender.delivered - receiver.received]
    found += [f"handed over {seq}, not written down" for seq in handed.keys() - set(receiver.received)]
    found += [f"received {seq} is written down, never handed over" for seq in set(receiver.received) - handed.keys()]
    found += [f"done {seq}, not written down" for seq in done - set(receiver.done)]
    found += [f"done {seq} is written down, never received" for seq in receiver.done - receiver.received]
    found += [f"numbers {sorted(sender.sent)[-1:]} last, {len(sender.sent)} in all"] * (not _has_no_gap(sender.sent))
    for seq, body in handed.items():
        salt, commitment = receiver.commitments.get(seq, (b"", ""))
        if content_commitment(salt, body.encode()).hex() != commitment:
            found.append(f"the entry of {seq} commits to something else than {body!r}")
    return found


def _doubled(sender: Diary, receiver: Diary) -> list[tuple[str, int, int]]:
    events = {
        "sent": sender.sent,
        "delivered": sender.delivered,
        "void": sender.void,
        "received": receiver.received,
        "done": receiver.done,
    }
    return [(name, seq, times) for name, seqs in events.items() for seq, times in seqs.items() if times > 1]


def _open(sender: Diary) -> set[int]:
    return set(sender.sent) - set(sender.delivered) - set(sender.void)


def _has_no_gap(seqs: Counter[int]) -> bool:
    return sorted(seqs) == list(range(1, len(seqs) + 1))
