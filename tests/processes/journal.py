"""What a node under test wrote down, and what must be true of it whatever was killed when.

A journal is a file of lines, appended to by every incarnation of one node:

    sent SEQ BODY          `send` has returned: the message is accepted
    failed BODY MAY        `send` has given the message up; MAY is 1 where it said that it may have arrived all the same
    handed SEQ BODY AGAIN  `receive` has returned; AGAIN is 1 where the message said it was redelivered
    done SEQ               `ack` has returned
    sealed KEY TAG         a message key has made a ciphertext; TAG is its last 16 bytes
    opened KEY TAG         a message key has opened one
    left TAG               a frame that ends in TAG is being written to a link
    mixed                  one half of a handshake was made
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path


class Journal:
    """One line is one write(2) to a file opened for appending: a process that is killed tears none and loses none."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, event: str, *fields: str | int) -> None:
        os.write(self._file, (" ".join([event, *map(str, fields)]) + "\n").encode())

    def close(self) -> None:
        os.close(self._file)


class Read:
    """A journal, read back. Each method returns the offences it finds, in words."""

    def __init__(self, path: Path) -> None:
        self._lines = [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []

    def all(self, event: str) -> list[tuple[str, ...]]:
        return [tuple(fields) for name, *fields in self._lines if name == event]

    def lost_by(self, receiver: Read) -> list[str]:
        """Messages accepted here that were never handed over there."""
        handed = {(seq, body) for seq, body, _ in receiver.all("handed")}
        return [f"message {seq} ({body})" for seq, body in self.all("sent") if (seq, body) not in handed]

    def handed_again(self) -> list[str]:
        """Messages handed over once more after they were done, or without saying that it is once more."""
        return list(self._repeats())

    def _repeats(self) -> Iterator[str]:
        seen, done = set[str](), set[str]()
        for name, *fields in self._lines:
            if name == "done":
                done.add(fields[0])
            elif name == "handed":
                seq, _, again = fields
                if seq in done:
                    yield f"message {seq} after it was done"
                if seq in seen and again != "1":
                    yield f"message {seq} as if for the first time"
                seen.add(seq)

    def out_of_order(self, *, gaps: bool) -> list[str]:
        """First handovers that are not 1, 2, 3 and so on; with `gaps`, those that are behind a later one."""
        firsts = list(dict.fromkeys(int(seq) for seq, *_ in self.all("handed")))
        if gaps:
            return [f"message {seq} after {before}" for before, seq in pairwise(firsts) if seq < before]
        return [f"message {seq} as number {at}" for at, seq in enumerate(firsts, 1) if seq != at]

    def arrived_against_its_word(self, receiver: Read) -> list[str]:
        """Messages given up here as never sent, that were handed over there."""
        handed = {body for _, body, _ in receiver.all("handed")}
        return [f"message ({body})" for body, may in self.all("failed") if may == "0" and body in handed]

    def keys_reused(self, receiver: Read) -> list[str]:
        """Message keys of which two ciphertexts have left this node.

        One that died with the process that sealed it, before it was on disk, has not left: then the next incarnation
        makes the same key again, and rightly.
        """
        left = {tag for (tag,) in self.all("left")} | {tag for _, tag in receiver.all("opened")}
        tags = defaultdict[str, set[str]](set)
        for key, tag in self.all("sealed"):
            if tag in left:
                tags[key].add(tag)
        return [f"key {key}: {len(several)} ciphertexts" for key, several in tags.items() if len(several) > 1]


def offences(first: Read, second: Read, *, gaps: bool = False) -> list[str]:
    """Return everything wrong between two nodes that talked with each other and came to an end.

    `gaps` are to be expected where messages were given up: whoever is killed meanwhile cannot note that any more.
    """
    found = []
    for sender, receiver in ((first, second), (second, first)):
        found += [f"lost: {one}" for one in sender.lost_by(receiver)]
        found += [f"never sent, but arrived: {one}" for one in sender.arrived_against_its_word(receiver)]
        found += [f"handed over again: {one}" for one in receiver.handed_again()]
        found += [f"out of order: {one}" for one in receiver.out_of_order(gaps=gaps)]
        found += [f"reused {one}" for one in sender.keys_reused(receiver)]
    return found
