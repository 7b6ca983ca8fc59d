"""`talos simulate`: what makes no sense is refused before anything runs, with 2, and in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from talos.cli.simulate.options import SEED_MAX, parse_seeds
from talos.errors import UsageError
from tests.node.cli.simulating import names, simulate


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a scenario that is never run."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "from talos_simulations.story import Story\n"
        "def weather(sky):\n    raise AssertionError('it runs')\n"
        "STORY = Story(weather)\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "which scenario?"),
        (["nowhere"], "there is no scenario 'nowhere'"),
        (["nowhere.py"], "there is no file nowhere.py"),
        (["exits.py"], "exits.py exits where it should set STORY"),
        (["mine.py", "--nodes", "1"], "--nodes is from 2 to 10000, not 1"),
        (["mine.py", "--nodes", "10001"], "--nodes is from 2 to 10000, not 10001"),
        (["mine.py", "--jobs", "0"], "--jobs is from 1 to "),
        (["mine.py", "--jobs", "100000"], "--jobs is from 1 to "),
        (["mine.py", "--budget", "-1"], "--budget is from 0 to "),
        (["mine.py", "--seeds", "3..2"], "0 <= A <= B <= 1000000"),
        (["mine.py", "--weather", "none.json"], "cannot read none.json"),
        (["mine.py", "--weather", "mine.py"], "this is no weather file"),
        (["mine.py", "--weather", "bytes.json"], "bytes.json is no weather file"),
        (["mine.py", "--weather", "n5.json"], "idle is about n5, and there is no such node"),
        (["mine.py", "--page", "no/such.html"], "--page: no/such.html cannot be written"),
        (["mine.py", "--page", "folder"], "--page: folder cannot be written"),
        (["mine.py", "--trace", "x", "--page", "./x"], "--page and --trace are the same file"),
        (["mine.py", "--weather", "n5.json", "--page", "n5.json"], "--weather and --page are the same file"),
    ],
)
def test_what_makes_no_sense_is_refused_with_2_and_writes_nothing(here: Path, arguments: list[str], told: str) -> None:
    (here / "folder").mkdir()
    (here / "exits.py").write_text("raise SystemExit(0)")
    (here / "bytes.json").write_bytes(b"\xff")
    (here / "n5.json").write_text('{"version": 1, "faults": [{"kind": "idle", "at": 1, "who": ["n5"]}]}')
    before = names()
    result = simulate(*arguments, "--json")
    assert result.exit_code == 2
    assert told in json.loads(result.stdout)["error"]["what"]
    assert told in result.stderr
    assert names() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1..",
        "..1",
        "-1",
        "1...2",
        "1..2..3",
        "1.5",
        " 1",
        "1\n",
        "\uff12",
        "2..1",
        f"0..{SEED_MAX + 1}",
        "9" * 30,
    ],
)
def test_no_other_text_is_a_range_of_seeds(text: str) -> None:
    with pytest.raises(UsageError):
        parse_seeds(text)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0", range(1)), ("7", range(7, 8)), ("3..5", range(3, 6)), (f"{SEED_MAX}", range(SEED_MAX, SEED_MAX + 1))],
)
def test_a_range_of_seeds_has_both_its_ends(text: str, seeds: range) -> None:
    assert parse_seeds(text) == seeds
