"""What would make a run differ from its repetition is not in the simulator, nor in the node code that runs in it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

from tests.simulations.ban_list import RULES, attributes_that_are_sets

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("simulations", "node/talos/core", "node/talos/services", "ratchet", "audit")

Key = tuple[str, str]  # The path, and the beginning of what is wrong.
SIMULATIONS: Final = "simulations/talos_simulations"
AROUND: Final = "it starts whole runs, from outside, and prints what they were"
ALLOWED: Final[dict[Key, str]] = {
    (f"{SIMULATIONS}/dice.py", "makes random.Random"): "this is where all streams come from",
    (f"{SIMULATIONS}/executor.py", "imports multiprocessing"): AROUND,
    (f"{SIMULATIONS}/executor.py", "imports signal"): AROUND,
    (f"{SIMULATIONS}/executor.py", "imports time"): AROUND,
    (f"{SIMULATIONS}/report.py", "imports subprocess"): AROUND,
    (f"{SIMULATIONS}/report.py", "uses os.environ"): AROUND,
    (
        "node/talos/core/prekeys.py",
        "goes through a set in its order",
    ): "numbers, whose hashes are the same everywhere; rows are deleted, all in one commit",
}


@pytest.fixture(scope="module")
def found() -> list[tuple[Key, str]]:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(paths) > 80
    trees = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in paths}
    attributes = attributes_that_are_sets(trees.values())
    assert "accepted_seqs" in attributes
    return [
        ((path, wrong.partition(":")[0]), f"{path}:{line}: {wrong}")
        for path, tree in trees.items()
        for rule in RULES
        for line, wrong in rule(tree, attributes)
    ]


def test_nothing_in_a_run_differs_from_its_repetition(found: list[tuple[Key, str]]) -> None:
    assert [words for key, words in found if key not in ALLOWED] == []


def test_every_exception_is_still_needed_and_has_a_reason(found: list[tuple[Key, str]]) -> None:
    assert set(ALLOWED) - {key for key, _ in found} == set()
    assert all(ALLOWED.values())


PLANTED: Final = (
    "import time",
    "import datetime",
    "from datetime import datetime",
    "from time import monotonic",
    "import secrets",
    "import uuid",
    "import tempfile",
    "import threading",
    "from concurrent.futures import ThreadPoolExecutor",
    "import os\nx = os.urandom(8)",
    "from os import urandom",
    "import os\nx = os.getpid()",
    "import os\nx = os.listdir('.')",
    "import trio\nasync def f(): await trio.to_thread.run_sync(print)",
    "from trio import to_thread",
    "from weakref import WeakSet",
    "import random\nx = random.random()",
    "import random\nrandom.shuffle([])",
    "import random\nx = random.SystemRandom()",
    "import random\nx = random.Random(1)",
    "from random import choice",
    "x = hash('a')",
    "x = sorted([], key=id)",
    "x = sorted([], key=lambda one: id(one))",
    "x = sorted([], key=hash)",
    "x = list(map(id, []))",
    "for path in folder.iterdir(): pass",
    "for one in {1, 2}: pass",
    "for one in set(names): pass",
    "async def f():\n    for one in set[str](names): await send(one)",
    "for one in set(a) - set(b): pass",
    "for one in a.keys() & b.keys(): pass",
    "for one in set(a) | b: pass",
    "for one in set(a).union(b): pass",
    "for one in frozenset(a) if a else (): pass",
    "x = [one for one in {1, 2}]",
    "x = {one: 1 for one in {1, 2}}",
    "x = (one for one in {1, 2})",
    "x = list({1, 2})",
    "x = [*{1, 2}]",
    "print(*{1, 2})",
    "x = ','.join({'a', 'b'})",
    "x = next(iter({1, 2}))",
    "x = sum({0.1, 0.2})",
    "x = dict.fromkeys({1, 2})",
    "x = dice.choice({1, 2})",
    "x = max({1, 2}, key=size)",
    "x = sorted({1, 2}, key=size)",
    "x = sorted(list({1, 2}), key=size)",
    "x = {1, 2}\nfor one in x: pass",
    "x = {1, 2}\ny = x\nfor one in y: pass",
    "def f(peers: set[str]):\n    for peer in peers: pass",
    "def f(peers: frozenset[str] | None):\n    for peer in peers or (): pass",
    "def f() -> set[str]: ...\nfor peer in f(): pass",
    "class A:\n    peers: set[str]\n    def f(self):\n        for peer in self.peers: pass",
    "class A:\n    def __init__(self):\n        self.peers: Final[set[str]] = set()\n    def f(self): self.peers.pop()",
    "class A:\n    def __init__(self): self.peers = set()\n    def f(self): yield from self.peers",
)


@pytest.mark.parametrize("text", PLANTED)
def test_each_kind_of_offence_is_seen(text: str) -> None:
    assert [offence for rule in RULES for offence in rule(ast.parse(text), frozenset())] != []


def test_a_set_of_another_file_is_known_by_the_name_of_its_attribute() -> None:
    books = ast.parse("class Books:\n    done: set[int]\n    lost: set[int]\nclass Other:\n    lost: list[int]")
    assert attributes_that_are_sets([books]) == {"done"}
    for text, count in (("for one in books.done: pass", 1), ("for one in books.lost: pass", 0), ("done.pop()", 0)):
        tree = ast.parse(text)
        assert len([offence for rule in RULES for offence in rule(tree, frozenset({"done"}))]) == count


HARMLESS: Final = (
    "import random\ndef f(dice: random.Random): return dice.random()",
    "import os\nx = os.path",
    "import trio\nasync def f(): await trio.sleep(1)",
    "x = sorted({1, 2})",
    "x = len({1, 2})",
    "x = sorted(one for one in {1, 2})",
    "x = any(one > 1 for one in {1, 2})",
    "x = {one for one in {1, 2}}",
    "x = 1 in {1, 2}",
    "x = set(a) - set(b) == set()",
    "x = [one for one in [1, 2] if one in {1}]",
    "x = stack.pop()",
    "x = {1: 2}\nfor one in x: pass",
    "x = a - b\nfor one in x: pass",
    "event = trio.Event()\nevent.set()",
    "class A:\n    def __hash__(self): return 1",
    "def f(id: bytes): return g(id)",
    "def f(hash): return hash(1)",
    "id = 1\nx = a.id",
)


@pytest.mark.parametrize("text", HARMLESS)
def test_nothing_harmless_is_taken_for_an_offence(text: str) -> None:
    assert [offence for rule in RULES for offence in rule(ast.parse(text), frozenset())] == []
