"""House rules no linter knows. Each is a function from a file to its offences, and is tried on a planted one."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
FOLDERS: Final = ("ratchet", "audit", "dht", "node", "simulations", "tests", "typings", "scripts", "docs", ".ci")
TEXT_SUFFIXES: Final = frozenset({"", ".py", ".pyi", ".md", ".sh", ".toml", ".svg"})

FILE_LINES_MAX: Final = 400  # A file beyond it has two subjects.
FUNCTION_LINES_MAX: Final = 60  # What fits a screen.
MAY_CATCH_ALL: Final = frozenset(
    {
        "node/talos/services/supervise.py",
        "node/talos/client/crossing.py",  # It carries whatever a call raised to another thread.
        "node/talos/client/run.py",
        "simulations/talos_simulations/machine.py",  # Whatever leaves a node is what a check wants to know.
    }
)
CATCH_ALL: Final = frozenset({"Exception", "BaseException"})
REAL_SLEEPS: Final = frozenset({"sleep", "time.sleep", "trio.sleep", "asyncio.sleep"})
IN_VIRTUAL_TIME: Final = re.compile(r"^pytestmark = VIRTUAL_TIME$", re.MULTILINE)  # tests/contracts/small_world.py
# Bracketed, so that this file is no leak itself.
LEAK: Final = re.compile(r"""(?:^|[\s"'`(=:])(?:/hom[e]/|/User[s]/|/roo[t]/|/tm[p]/|/wor[k]/|[A-Z]:\\User[s])\w""")
IGNORE: Final = re.compile(r"#\s*type:\s*ignor[e]")
REASONED_IGNORE: Final = re.compile(r"#\s*type:\s*ignor[e]\[[\w, -]+\]\s+#\s*\w+")

Rule = Callable[[str, str], Iterator[str]]  # (path in the repository, text) -> offences.


def is_too_long(_path: str, text: str) -> Iterator[str]:
    if (lines := text.count("\n")) > FILE_LINES_MAX:
        yield f"{lines} lines, more than {FILE_LINES_MAX}"


def has_a_long_function(_path: str, text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.lineno}: {node.name} has {lines} lines, more than {FUNCTION_LINES_MAX}"


def catches_everything(path: str, text: str) -> Iterator[str]:
    if path in MAY_CATCH_ALL:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(name is None or ast.unparse(name) in CATCH_ALL for name in caught):
                yield f"{node.lineno}: catches everything; name the exception"


def sleeps_in_a_test(path: str, text: str) -> Iterator[str]:
    if path.startswith("tests/") and not IN_VIRTUAL_TIME.search(text):
        yield from _real_sleeps(ast.parse(text))


def _real_sleeps(node: ast.AST) -> Iterator[str]:
    is_virtual = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
        argument.arg == "autojump_clock" for argument in node.args.args
    )
    if is_virtual:
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func) in REAL_SLEEPS:
        yield f"{node.lineno}: sleeps in real time; take autojump_clock, or wait for the event itself"
    for child in ast.iter_child_nodes(node):
        yield from _real_sleeps(child)


def names_this_machine(_path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if LEAK.search(line):
            yield f"{number}: names a path of one machine"


def ignores_a_type_without_reason(_path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if IGNORE.search(line) and not REASONED_IGNORE.search(line):
            yield f"{number}: ignore[code], then a second comment that says why"


PYTHON_RULES: Final[tuple[Rule, ...]] = (
    is_too_long,
    has_a_long_function,
    catches_everything,
    sleeps_in_a_test,
    ignores_a_type_without_reason,
)


def files(suffixes: frozenset[str]) -> Iterator[Path]:
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix in suffixes)
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
                yield path


def offences(rule: Rule, paths: Iterator[Path]) -> list[str]:
    named = ((path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths)
    return [f"{name}: {offence}" for name, text in named for offence in rule(name, text)]


@pytest.mark.parametrize("rule", PYTHON_RULES, ids=lambda rule: rule.__name__)
def test_no_python_file(rule: Rule) -> None:
    assert offences(rule, files(frozenset({".py"}))) == []


def test_no_file_names_this_machine() -> None:
    assert offences(names_this_machine, files(TEXT_SUFFIXES)) == []


PLANTED: Final[tuple[tuple[Rule, str], ...]] = (
    (is_too_long, "x = 1\n" * (FILE_LINES_MAX + 1)),
    (has_a_long_function, "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX),
    (catches_everything, "try:\n    f()\nexcept Exception:\n    pass\n"),
    (catches_everything, "try:\n    f()\nexcept:\n    pass\n"),
    (catches_everything, "try:\n    f()\nexcept (ValueError, BaseException):\n    raise\n"),
    (catches_everything, "try:\n    f()\nexcept* Exception:\n    pass\n"),
    (sleeps_in_a_test, "def test_x():\n    time.sleep(1)\n"),
    (sleeps_in_a_test, "async def test_x(nursery):\n    await trio.sleep(1)\n"),
    (names_this_machine, 'folder = "/hom' + 'e/alice"\n'),
    (names_this_machine, "cd /tm" + "p/build\n"),
    (ignores_a_type_without_reason, "x = f()  # type: ignor" + "e[attr-defined]\n"),
    (ignores_a_type_without_reason, "x = f()  # type: ignor" + "e  # because\n"),
)


@pytest.mark.parametrize(("rule", "text"), PLANTED)
def test_each_rule_sees_a_planted_offence(rule: Rule, text: str) -> None:
    assert list(rule("tests/planted.py", text)) != []


ALLOWED: Final[tuple[tuple[Rule, str], ...]] = (
    (is_too_long, "x = 1\n" * FILE_LINES_MAX),
    (has_a_long_function, "def f():\n" + "    x = 1\n" * (FUNCTION_LINES_MAX - 1)),
    (catches_everything, "try:\n    f()\nexcept (ValueError, KeyError):\n    pass\n"),
    (sleeps_in_a_test, "async def test_x(autojump_clock):\n    await trio.sleep(1)\n"),
    (sleeps_in_a_test, "async def test_x():\n    await host.clock.sleep(1)\n"),
    (names_this_machine, "https://example.org/home/page and ~/.local/share/talos\n"),
    (ignores_a_type_without_reason, "x = f()  # type: ignor" + "e[attr-defined]  # The stub lacks it.\n"),
)


@pytest.mark.parametrize(("rule", "text"), ALLOWED)
def test_no_rule_sees_an_offence_where_there_is_none(rule: Rule, text: str) -> None:
    assert list(rule("tests/planted.py", text)) == []
