"""The page of a run: what is embedded, that nothing of the run can act in it, and that it draws in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest

from talos_simulations import page
from talos_simulations.books import Act
from talos_simulations.catalogue import find
from talos_simulations.check import Violation
from talos_simulations.outcome import run_seed
from talos_simulations.page import SCRIPTS, RunRecord, render
from talos_simulations.trace import Event, Trace
from talos_simulations.weather import Fault, Kind

EVENT_SIZE_MAX: Final = 44  # Bytes of the page for each event.
HOSTILE: Final = (
    """</script><!--<script>document.title="owned"</script><img src=x onerror=boom()> & "@script@" '\u2028"""
)
FRAMES: Final = ("fault", "fault_ended", "calm", "violation", "report")  # Shown as bands, lines and flags.
BROWSER: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_a_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed; apt install chromium")


def record(**changed: Any) -> RunRecord:
    """A short run in which everything happens that the page knows, and something that it does not."""
    names = ("n0", "n1", "n2")
    events = [Event(0.0, "up", name) for name in names]
    events += [Event(1.0 + n / 10, act, "n0", "n1", 1) for n, act in enumerate(Act)]
    events += [
        Event(2.0, "dial", "n1", "n2"),
        Event(2.1, "sent", "n1", "n2", 7, "2412"),
        Event(2.1234567, "arrived", "n1", "n2", 7, "2412"),
        Event(2.2, "arrived", "n1", "n2", 7, "2412"),  # Twice: it was duplicated.
        Event(2.3, "sent", "n2", "n1", 8, "41"),
        Event(2.4, "lost", "n2", "n1", 8, "41"),
        Event(2.5, "close", "n2", "n1", 9, "0"),  # Never arrives.
        Event(3.0, "fault", "n0", Kind.KILL, 0, "1 0"),
        Event(3.1, "crash", "n0", text="kill"),
        Event(3.2, "down", "n0", text="crashed"),
        Event(3.3, "rot", "n1", text="state"),
        Event(4.0, "up", "n0"),
        Event(4.1, "fault_ended", "n0", Kind.KILL),
        Event(5.0, "quake", "nobody", "n1", 3, "a kind that no page has heard of"),
        Event(9.0, "calm"),
        Event(9.5, "report", "InOrder", text="not demanded"),
        Event(10.0, "violation", "NothingLost", text="1 of 1 never arrived"),
    ]
    faults = [Fault(kind, 1.0 + n / 5, 2.0, ("n0", "n1"), 0.5) for n, kind in enumerate(Kind)]
    run = RunRecord(
        scenario="chaos",
        seed=7,
        commit="819a4f2",
        nodes=names,
        virtual_s=10.0,
        events=events,
        faults=[*faults, Fault(Kind.LOSS, 9.6, 1.0, ("n0", "n1"), 0.1)],  # The last comes too late.
        violations=[Violation("NothingLost", 10.0, "1 of 1 never arrived")],
        replay="talos simulate chaos --nodes 3 --seeds 7..7",
    )
    return replace(run, **changed)


def hostile() -> RunRecord:
    """A run in which every text would like to be more than text."""
    return record(
        scenario=HOSTILE,
        commit=HOSTILE,
        nodes=("n0", "n1", HOSTILE),
        events=[*record().events, Event(6.0, HOSTILE, HOSTILE, HOSTILE, 1, HOSTILE), Event(7.0, "up", "__proto__")],
        faults=[Fault(Kind.PARTITION, 1.0, 5.0, (HOSTILE,))],
        violations=[Violation(HOSTILE, 9.0, HOSTILE)],
        replay=HOSTILE,
    )


def embedded(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="run">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    facts: dict[str, Any] = json.loads(found[1])
    return facts


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, attrs))


@pytest.mark.parametrize("run", [record(), hostile()], ids=["plain", "hostile"])
def test_the_embedded_json_parses_back_to_the_run(run: RunRecord) -> None:
    facts = embedded(render(run))
    word = facts["words"]
    assert [Event(at, word[k], word[n], word[o], m, word[t]) for at, k, n, o, m, t in facts["events"]] == [
        replace(event, at=round(event.at, 6)) for event in run.events
    ]
    assert [Fault(Kind(kind), at, for_s, tuple(who), amount) for kind, at, for_s, who, amount in facts["faults"]] == [
        replace(fault, at=round(fault.at, 6)) for fault in run.faults
    ]
    assert [Violation(*violation) for violation in facts["violations"]] == run.violations
    assert tuple(facts["nodes"]) == run.nodes
    told = (facts["scenario"], facts["seed"], facts["commit"], facts["virtual_s"], facts["replay"])
    assert told == (run.scenario, str(run.seed), run.commit, run.virtual_s, run.replay)


def test_no_text_of_a_run_changes_the_page_around_it() -> None:
    plain, other = render(record()), render(hostile())
    assert Tags(plain).seen == Tags(other).seen
    assert len(Tags(plain).seen) > 40
    assert re.sub(r'(id="run">).*?</script>', r"\1", plain) == re.sub(r'(id="run">).*?</script>', r"\1", other)


def test_a_page_can_be_written_whatever_the_run_says() -> None:
    torn = "half a pair: \ud800"  # No UTF-8 can say it.
    text = render(record(scenario=torn, events=[Event(1.0, torn, torn, torn, 1, torn)]))
    assert embedded(text.encode().decode())["scenario"] == torn


def test_the_page_asks_for_nothing_from_outside() -> None:
    text = render(record())
    for reference in (r"https?:", r"\bsrc=", r"\bhref=", r"url\(", r"@import", r"\bimport\b", r"\bfetch\(", r"XMLHttp"):
        assert re.search(reference, text) is None, reference


def test_the_policy_allows_the_one_style_and_the_one_script_and_nothing_else() -> None:
    text = render(record())
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert [len(style), len(script)] == [1, 1]
    hashes = [b64encode(sha256(part.encode()).digest()).decode() for part in (*style, *script)]
    policy = f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'"
    assert f'http-equiv="Content-Security-Policy" content="{policy}"' in text


def test_equal_records_give_equal_bytes() -> None:
    assert render(record()) == render(record(events=tuple(record().events)))
    assert render(record()) != render(record(seed=8))


def test_a_page_grows_by_a_few_bytes_for_each_event() -> None:
    events = [Event(1_000.0 + n / 7, "arrived", f"n{n % 90}", f"n{n % 89}", n, str(n % 3_000)) for n in range(20_000)]
    grown = len(render(record(events=events))) - len(render(record(events=[])))
    assert grown < EVENT_SIZE_MAX * len(events)


@pytest.mark.parametrize(
    "changed",
    [
        {"virtual_s": float("inf")},
        {"events": [Event(float("nan"), "up", "n0")]},
        {"faults": [Fault(Kind.LOSS, 1.0, 1.0, ("n0", "n1"), float("inf"))]},
    ],
)
def test_what_is_not_finite_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="JSON"):
        render(record(**changed))


def test_every_script_in_the_folder_is_in_the_page_once() -> None:
    there = [one.name for one in files(page).iterdir() if one.name.endswith(".js")]
    assert sorted(there) == sorted(SCRIPTS)


def test_the_page_has_words_for_every_fault_and_a_mark_for_every_act() -> None:
    text = render(record())
    words = re.search(r"const FAULT_WORDS = \{(.*?)\n\};", text, re.DOTALL)
    acts = re.search(r"const ACTS = \{(.*?)\n\};", text, re.DOTALL)
    assert words is not None
    assert acts is not None
    assert set(re.findall(r"^  (\w+): \(", words[1], re.MULTILINE)) == set(Kind)
    assert set(re.findall(r"^  (\w+): \{", acts[1], re.MULTILINE)) == set(Act)


# In a browser


def opened(text: str, folder: Path) -> str:
    """Return the page as it is after it has drawn, and walked through all its controls."""
    assert BROWSER is not None
    (folder / "page.html").write_text(text, encoding="utf-8")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,900", f"--user-data-dir={folder}/me")
    address = (folder / "page.html").as_uri() + "#check"
    done = subprocess.run(
        [BROWSER, *flags, "--dump-dom", address], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def state(dom: str) -> str:
    found = re.search(r'id="state">([^<]*)<', dom)
    assert found is not None
    return found[1]


@pytest.mark.slow
@needs_a_browser
def test_a_browser_draws_all_of_a_real_run_without_an_error(tmp_path: Path) -> None:
    trace = Trace(keep=True)
    outcome = run_seed(find("receiver_dies"), 2, trace=trace)
    names = tuple(f"n{number}" for number in range(outcome.nodes))
    run = record(nodes=names, virtual_s=outcome.virtual_s, events=trace.events, faults=outcome.weather, violations=[])
    told = state(opened(render(run), tmp_path))
    count = Counter(str(event.kind) for event in trace.events)
    packets = count["sent"] + count["close"]
    marks = sum(count.values()) - packets - count["arrived"] - count["lost"] - sum(count[kind] for kind in FRAMES)
    assert min(packets, marks, count["crash"]) > 0
    assert told.startswith(
        f"errors: 0; in sight: packets {packets}, marks {marks}, faults {count['fault']}, flags 0, "
        f"down times {count['crash']}; looks: "
    )
    assert told.endswith("(bin, down, fault, mark, packet)")


@pytest.mark.slow
@needs_a_browser
@pytest.mark.parametrize(
    ("run", "counts"),
    [
        (record(), f"packets 3, marks 17, faults {len(Kind)}, flags 2, down times 1"),
        (record(events=[], faults=[], violations=[]), "packets 0, marks 0, faults 0, flags 0, down times 0"),
        (record(events=[], faults=[], violations=[], nodes=(), virtual_s=0.0), "packets 0, marks 0, faults 0, flags 0"),
    ],
    ids=["everything", "nothing", "nobody"],
)
def test_a_browser_draws_whatever_a_run_may_be(run: RunRecord, counts: str, tmp_path: Path) -> None:
    assert state(opened(render(run), tmp_path)).startswith(f"errors: 0; in sight: {counts}")


@pytest.mark.slow
@needs_a_browser
def test_in_a_browser_a_text_of_a_run_stays_a_text(tmp_path: Path) -> None:
    dom = opened(render(hostile()), tmp_path)
    assert state(dom).startswith("errors: 0; ")
    assert "<img" not in dom
    assert "<title>owned" not in dom
    assert dom.count("&lt;img src=x onerror=boom()&gt;") > 5


@pytest.mark.slow
@needs_a_browser
def test_a_browser_runs_no_other_script_in_the_page(tmp_path: Path) -> None:
    added = render(record(faults=[])).replace("</body>", '<script>document.title = "owned"</script></body>')
    dom = opened(added, tmp_path)
    assert state(dom).startswith("errors: 0; ")
    assert "<title>owned" not in dom
