"""`talos simulate`: what it says, what it writes, and that the command it prints does the same thing again."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import chdir, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from talos_simulations import report
from talos_simulations.catalogue import words
from talos_simulations.weather import Kind, parse
from tests.node.cli.simulating import answer, names, simulate

TALOS: Final = [sys.executable, "-c", "from talos.cli import main; main()"]
LATE_S: Final = 60.0  # Nothing here takes that long.
SCENARIO: Final = '''
"""A check of its own fails while one node's clock is ahead and an application takes nothing; from seed 2 on."""
from talos_simulations.check import Check
from talos_simulations.story import Story
from talos_simulations.weather import Kind

class Calm(Check):
    """Never both."""
    def looks(self):
        n0, n1 = self.world.machines.values()
        if n0.is_idle and n1.clocks.offset_s > 0 and self.world.seed > 1:
            yield "both at once \\x1b[31m"

def weather(sky):
    for at in (0.5, 1.5, 2.5):
        sky(Kind.RESET, "n0", "n1", at=at)
        sky(Kind.SLOW, "n0", at=at, for_s=1, amount=0.001)
    sky(Kind.STEP, "n1", at=sky.between(1.2, 1.4), for_s=5, amount=100)
    sky(Kind.IDLE, "n0", at=sky.between(1.6, 1.9), for_s=5)

STORY = Story(weather, nodes=2, storm_s=5, calm_s=4, demanded=(Calm,))
'''


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with one scenario, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SCENARIO)
    return tmp_path


# What holds


def test_the_scenarios_are_listed_with_what_happens_in_them() -> None:
    lines = simulate("--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == words()
    listed = answer("--list")["scenarios"]
    assert [one["name"] for one in listed] == words()
    assert all(one["about"] in line for one, line in zip(listed, lines, strict=True))


def test_seeds_that_hold_are_told_with_what_was_checked_and_leave_no_file() -> None:
    result = simulate("mine.py", "--seeds", "0..1", "--jobs", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.search(r"^scenario +mine\.py, 2 nodes$", result.stdout, re.MULTILINE)
    assert re.search(r"^seeds +2 \(0\.\.1\), 0 failed$", result.stdout, re.MULTILINE)
    assert re.search(r"^messages +[1-9]\d* sent, .* [1-9]\d* done$", result.stdout, re.MULTILINE)
    assert re.search(r"^time +0\.\d\d virtual hours in .* x real time", result.stdout, re.MULTILINE)
    assert result.stdout.splitlines()[-1] == "every promise was kept"
    assert names() == set()


def test_other_numbers_of_nodes_are_run() -> None:
    told = answer("calm", "--nodes", "3", "--seeds", "4", "--jobs", "1")
    assert (told["nodes"], told["seeds"][0]["nodes"], told["seeds"][0]["seed"]) == (3, 3, 4)


def test_what_a_scenario_does_not_demand_is_told_and_breaks_nothing() -> None:
    told = answer("restored_folder", "--seeds", "1", "--jobs", "1")
    assert told["held"]
    assert told["summary"]["reports"] == {one["check"]: 1 for one in told["seeds"][0]["reports"]} != {}


# What fails


@dataclass(frozen=True)
class Failed:
    """What one run of seeds that fail printed and wrote."""

    line: str
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Failed:
    folder = tmp_path_factory.mktemp("failed")
    (folder / "mine.py").write_text(SCENARIO)
    with chdir(folder):
        result = simulate("mine.py", "--seeds", "1..3", "--jobs", "1", "--json")
        assert result.exit_code == 1, result.output
        return Failed(result.stdout, {name: Path(name).read_bytes() for name in names()})


@pytest.fixture
def failed(run_once: Failed, here: Path) -> Any:
    """What it said; what it wrote lies here."""
    for name, content in run_once.files.items():
        (here / name).write_bytes(content)
    (line,) = run_once.line.splitlines()
    return json.loads(line)


def test_the_first_seed_that_fails_is_cut_down_and_written(failed: Any, here: Path) -> None:
    assert [seed["held"] for seed in failed["seeds"]] == [True, False, False]
    assert failed["summary"]["failed"] == {"Calm": 2}
    failure = failed["failure"]
    assert (failure["seed"], failure["check"]) == (2, "Calm")
    assert failure["files"] == ["mine-2.weather.json", "mine-2.html"]
    assert names() == set(failure["files"])
    written = (here / "mine-2.weather.json").read_text()
    assert {fault.kind for fault in parse(written)} == {Kind.STEP, Kind.IDLE}
    assert json.loads(written) == failure["weather"]
    page = (here / "mine-2.html").read_text()
    assert failure["source"] in page
    assert json.dumps(failure["replay"])[1:-1] in page


def test_the_printed_command_repeats_the_run_to_the_byte_and_writes_nothing(failed: Any, here: Path) -> None:
    before = {name: (here / name).read_bytes() for name in names()}
    program, verb, *rest = shlex.split(failed["failure"]["replay"])
    assert (program, verb) == ("talos", "simulate")
    again = answer(*rest, exit_code=1)
    assert [seed["digest"] for seed in again["seeds"]] == [failed["failure"]["digest"]]
    assert again["failure"]["shrinking"] is None
    assert again["failure"]["files"] == []
    assert again["failure"]["replay"] == failed["failure"]["replay"]
    assert {name: (here / name).read_bytes() for name in names()} == before


def test_a_person_is_told_seed_check_faults_files_and_command(failed: Any) -> None:
    result = simulate("mine.py", "--seeds", "1..3", "--jobs", "1")
    assert result.exit_code == 1
    failure, lines = failed["failure"], result.stdout.splitlines()
    assert f"seed 2 broke Calm, at {failure['at']:.3f} virtual seconds:" in lines
    assert r"    both at once \x1b[31m" in lines, "what a scenario says cannot command a terminal"
    runs = failure["shrinking"]["runs"]
    at = lines.index(f"it takes 2 faults of 8, says a search of {runs} runs:")
    assert [line.split()[2] for line in lines[at + 1 : at + 3]] == [one["kind"] for one in failure["weather"]["faults"]]
    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("written")] == failure["files"]
    assert any(line.split() == ["also", "failed", "seeds", "3", "(Calm)"] for line in lines)
    assert lines[-1].endswith(failure["replay"])
    assert any(line.startswith("source") and failure["source"] in line for line in lines)


@pytest.mark.slow
def test_the_answer_varies_neither_with_jobs_nor_with_the_hash_seed(run_once: Failed) -> None:
    other = "1" if os.environ.get("PYTHONHASHSEED") == "2" else "2"  # Ours is dice, unless somebody has set it.
    again = subprocess.run(
        [*TALOS, "simulate", "mine.py", "--seeds", "1..3", "--jobs", "2", "--json"],
        env=os.environ | {"PYTHONHASHSEED": other},
        capture_output=True,
        text=True,
        timeout=LATE_S,
        check=False,
    )
    assert again.stdout == run_once.line


def test_without_a_budget_all_faults_are_left_and_a_small_one_is_told() -> None:
    whole = answer("mine.py", "--seeds", "2", "--budget", "0", exit_code=1)["failure"]
    assert (whole["shrinking"], len(whole["weather"]["faults"])) == (None, 8)
    result = simulate("mine.py", "--seeds", "2", "--budget", "3")
    assert "says a search of 3 runs that ended before it was through (--budget):" in result.stdout


def test_what_cannot_be_written_is_told_beside_the_verdict_and_can_be_repeated_without(here: Path) -> None:
    (here / "mine-2.weather.json").mkdir()
    result = simulate("mine.py", "--seeds", "2", "--json")
    assert result.exit_code == 1
    assert "not written: cannot write mine-2.weather.json" in result.stderr
    failure = json.loads(result.stdout)["failure"]
    assert failure["files"] == ["mine-2.html"]
    again = answer(*shlex.split(failure["replay"])[2:], "--budget", "0", exit_code=1)
    assert again["failure"]["digest"] == failure["digest"]


# Weather, page and trace


def test_weather_from_a_file_takes_the_place_of_the_scenarios_own(here: Path) -> None:
    (here / "fair.json").write_text('{"version": 1, "faults": []}')
    told = answer("mine.py", "--seeds", "1..3", "--weather", "fair.json", "--jobs", "1")
    assert told["held"]
    assert [seed["faults"] for seed in told["seeds"]] == [0, 0, 0]


def test_page_and_trace_of_a_run_that_holds_are_written_where_they_are_asked_for(here: Path) -> None:
    told = answer("mine.py", "--seeds", "0..1", "--jobs", "1", "--page", "a.html", "--trace", "b.txt")
    assert names() == {"a.html", "b.txt"}
    assert told["failure"] is None
    assert "mine.py --nodes 2 --seeds 0" in (here / "a.html").read_text()
    lines = (here / "b.txt").read_text().splitlines()
    assert sum(line.split()[1] == "done" for line in lines) == told["seeds"][0]["messages"]["done"] > 0


def test_a_page_that_is_asked_for_is_of_the_run_that_failed(here: Path) -> None:
    told = answer("mine.py", "--seeds", "1..2", "--jobs", "1", "--page", "a.html", exit_code=1)
    assert names() == {"a.html", "mine-2.weather.json"}
    assert told["failure"]["files"] == ["mine-2.weather.json", "a.html"]
    assert "both at once" in (here / "a.html").read_text()


def test_a_run_that_does_not_repeat_itself_is_told_so(here: Path) -> None:
    counting = """
    with open("runs", "a+") as file:
        file.write("x")
        sky.settings.latency_s = 0.01 * file.tell(), 0.1
"""
    (here / "mine.py").write_text(SCENARIO.replace("def weather(sky):", f"def weather(sky):{counting}"))
    result = simulate("mine.py", "--seeds", "0", "--page", "a.html")
    assert result.exit_code == 70
    assert "seed 0 of mine.py did something else when it was run again" in result.stderr


# The process


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_ends_it_with_130_and_leaves_no_process(here: Path, jobs: str) -> None:
    (here / "mine.py").write_text(
        # One write each: with unbuffered output, two processes' `print` would mix words and line ends.
        SCENARIO.replace("def weather(sky):", "def weather(sky):\n    __import__('os').write(1, b'ready\\n')")
    )
    process = subprocess.Popen(
        [*TALOS, "simulate", "mine.py", "--seeds", "2..9999", "--jobs", jobs],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)  # As a terminal does: to all of them.
        out, err = process.communicate(timeout=LATE_S)  # Which ends when no process is left that could write there.
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert (process.returncode, err) == (130, "")
    assert set(out.split()) <= {"ready"}, "whoever is interrupted gives no verdict"


def test_the_simulator_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys; from talos.cli.app import app; sys.exit('talos_simulations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=LATE_S, check=False).returncode == 0


# The source


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=T", "-c", "user.email=t@example.org")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def test_the_source_is_the_commit_and_says_if_it_was_changed_since(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = here / "talos_simulations"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(report, "__file__", str(package / "report.py"))
    monkeypatch.setattr(report, "_folders", lambda: [str(package)])
    assert report.source().startswith("talos-node "), "no checkout"
    git(here, "init", "-q")
    assert report.source().startswith("talos-node "), "inside of a checkout, and none of its files"
    git(here, "add", "talos_simulations")
    git(here, "commit", "-q", "-m", "one")
    commit = report.source()
    assert re.fullmatch(r"[0-9a-f]{12}", commit)
    (here / "mine-2.html").write_text("")
    assert report.source() == commit, "what lies beside the source is none of it"
    (package / "new.py").write_text("")
    assert report.source() == f"{commit}, with uncommitted changes"
