"""The list of mutants as it stands, and the verdicts of what runs it, on a tree of two files."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from scripts.run_mutants import Verdict, copy_of, judge, planted
from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant

ROOT: Final = Path(__file__).resolve().parent.parent.parent
LEAST: Final = 90


@cache
def source_of(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


@cache
def functions_of(file: str) -> frozenset[str]:
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in ast.parse(source_of(file)).body if isinstance(node, functions))


def test_every_old_text_is_there_exactly_once() -> None:
    counts = {mutant.name: source_of(mutant.file).count(mutant.old) for mutant in MUTANTS}
    assert {name: count for name, count in counts.items() if count != 1} == {}


def test_every_mutant_is_another_program_and_no_typing_error() -> None:
    for mutant in MUTANTS:
        changed = source_of(mutant.file).replace(mutant.old, mutant.new)
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source_of(mutant.file))), mutant.name


def test_every_named_test_is_there() -> None:
    for mutant in MUTANTS:
        file, _, name = mutant.test.partition("::")
        assert name in functions_of(file), f"{mutant.name} names {mutant.test}"


def test_there_are_enough_and_each_has_a_name_and_a_reason() -> None:
    assert len(MUTANTS) >= LEAST
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert all(mutant.why.endswith(".") for mutant in MUTANTS)


# The runner


TINY: Final = """
from thing import double

def test_double():
    assert double(2) == 4

def test_nothing():
    pass
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a tree of two files."""
    root = tmp_path_factory.mktemp("root")
    (root / "thing.py").write_text("def double(x):\n    return 2 * x\n")
    (root / "test_thing.py").write_text(TINY)
    (root / ".venv").mkdir()
    return copy_of(root, tmp_path_factory.mktemp("copies"))


def mutant(old: str, new: str, test: str = "test_double") -> Mutant:
    return Mutant("tiny", "It would not double.", "thing.py", old, new, f"test_thing.py::{test}")


def test_a_copy_leaves_out_what_is_made_and_not_written(tree: Path) -> None:
    assert {path.name for path in tree.iterdir()} == {"thing.py", "test_thing.py", "__pycache__"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tried", "verdict"),
    [
        (mutant("2 * x", "3 * x"), Verdict.KILLED),
        (mutant("2 * x", "x + x"), Verdict.SURVIVED),
        (mutant("2 * x", "3 * x", test="test_nothing"), Verdict.SURVIVED),
        (mutant("double(x)", "treble(x)"), Verdict.BROKEN),  # The test cannot even be collected.
        (mutant("2 * x", "3 * x", test="test_absent"), Verdict.BROKEN),
        (mutant("4 * x", "3 * x"), Verdict.ROTTEN),
    ],
    ids=lambda value: value.name if isinstance(value, Verdict) else "",
)
def test_the_verdict_is_killed_only_if_the_named_test_fails(tree: Path, tried: Mutant, verdict: Verdict) -> None:
    assert judge(tree, tried) is verdict
    assert (tree / "thing.py").read_text() == "def double(x):\n    return 2 * x\n"


def test_a_text_that_is_there_twice_is_not_replaced(tree: Path) -> None:
    healthy = (tree / "thing.py").read_text()
    with planted(tree, mutant("x", "y")) as is_there:
        assert not is_there
        assert (tree / "thing.py").read_text() == healthy
