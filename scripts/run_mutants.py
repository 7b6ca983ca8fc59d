"""Plant each mutant of tests/mutants in a copy of the tree, and see the one test named beside it fail.

Run it with the project on the path: `.venv/bin/python -m scripts.run_mutants [NAME ...]`. First all those tests must
pass without a mutant. A mutant that its test does not notice, or that does not even let it run, makes the exit code 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from time import perf_counter  # noqa: TID251 - What people wait for is real time.
from typing import Final

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = ("ratchet", "audit", "dht", "node", "simulations")  # Where the packages are, as in pyproject.toml.
NOT_COPIED: Final = shutil.ignore_patterns(
    ".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", ".bench-*", "dist"
)
TEST_S: Final = 120  # A mutant that makes its test hang is noticed, but nobody wants to wait for it: an error.
JOBS: Final = os.cpu_count() or 1

PYTEST: Final = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


class Verdict(Enum):
    KILLED = "killed"
    SURVIVED = "SURVIVED: its test passes"
    BROKEN = "BROKEN: its test does not run, or is not the one that fails"
    HUNG = f"HUNG: its test takes more than {TEST_S} s"
    ROTTEN = "ROTTEN: its old text is not there exactly once"


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def copy_of(root: Path, folder: Path) -> Path:
    """Copy the tree below `root` into `folder`, compiled, so that only what a mutant changes is compiled again."""
    tree = folder / "tree"
    shutil.copytree(root, tree, ignore=NOT_COPIED)
    compile_all = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "."]
    subprocess.run([sys.executable, *compile_all], cwd=tree, check=True)
    return tree


def run(tree: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run Python in a copy, on the sources of the copy. Raises `TimeoutExpired`."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(tree / source) for source in SOURCES),
        "PYTHONDONTWRITEBYTECODE": "1",  # A mutant's bytecode must not outlive it.
        "CI": "true",  # So hypothesis draws the same in every run.
    }
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=TEST_S, check=False
    )


@contextmanager
def planted(tree: Path, mutant: Mutant) -> Iterator[bool]:
    """Let a copy have this bug. Yields False, and changes nothing, where its old text is not there exactly once."""
    path = tree / mutant.file
    healthy = path.read_text(encoding="utf-8")
    if healthy.count(mutant.old) != 1:
        yield False
        return
    path.write_text(healthy.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        yield True
    finally:
        path.write_text(healthy, encoding="utf-8")


def judge(tree: Path, mutant: Mutant) -> Verdict:
    with planted(tree, mutant) as is_there:
        if not is_there:
            return Verdict.ROTTEN
        try:
            done = run(tree, [*PYTEST, "-x", mutant.test])
        except subprocess.TimeoutExpired:
            return Verdict.HUNG
    if done.returncode == 0:
        return Verdict.SURVIVED
    has_failed = f"\nFAILED {mutant.test}" in done.stdout and "\nERROR " not in done.stdout
    return Verdict.KILLED if done.returncode == 1 and has_failed else Verdict.BROKEN


def is_healthy(tree: Path, mutants: Sequence[Mutant]) -> bool:
    """Say whether all the tests pass without a mutant, on the sources of the copy."""
    where = run(tree, ["-c", "import talos, talos_audit, talos_ratchet as r; print(talos.__file__, r.__file__)"])
    if not all(Path(file).is_relative_to(tree) for file in where.stdout.split()) or where.returncode:
        say(f"the copy would test other sources than its own: {where.stdout}{where.stderr}")
        return False
    done = run(tree, [*PYTEST, "-n", str(JOBS), *sorted({mutant.test for mutant in mutants})])
    if done.returncode:
        say(done.stdout + done.stderr)
    return not done.returncode


def hunt(root: Path, mutants: Sequence[Mutant]) -> dict[str, Verdict]:
    """Return what became of each mutant, by name; nothing if the tests fail without one."""
    verdicts: dict[str, Verdict] = {}
    trees = SimpleQueue[Path]()
    with TemporaryDirectory() as folder, ThreadPoolExecutor(JOBS) as pool:
        for number in range(JOBS):
            trees.put(copy_of(root, Path(folder, str(number))))
        first = trees.get()
        if not is_healthy(first, mutants):
            return verdicts
        trees.put(first)

        def one(mutant: Mutant) -> Verdict:
            tree = trees.get()
            try:
                return judge(tree, mutant)
            finally:
                trees.put(tree)

        running = {pool.submit(one, mutant): mutant for mutant in mutants}
        for future in as_completed(running):
            mutant = running[future]
            verdicts[mutant.name] = future.result()
            say(f"{len(verdicts):3}/{len(mutants)}  {mutant.name}: {verdicts[mutant.name].value}")
    return verdicts


def main(names: Sequence[str]) -> int:
    unknown = set(names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        say(f"there is no mutant {', '.join(sorted(unknown))}; known are {', '.join(m.name for m in MUTANTS)}")
        return 2
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    began = perf_counter()
    verdicts = hunt(ROOT, chosen)
    killed = sum(verdict is Verdict.KILLED for verdict in verdicts.values())
    for mutant in chosen:
        verdict = verdicts.get(mutant.name, Verdict.KILLED)
        if verdict is not Verdict.KILLED:
            say(f"{mutant.name} ({mutant.file}, {mutant.test}): {verdict.value}\n    {mutant.why}")
    say(f"{killed} of {len(chosen)} mutants killed, in {perf_counter() - began:.0f} s")
    return int(killed < len(chosen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
