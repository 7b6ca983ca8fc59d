"""The pictures of the state machines say what the tables say."""

from __future__ import annotations

from enum import Enum, auto
from xml.etree import ElementTree

import pytest

from scripts.draw_machines import FOLDER, draw, machines


class Phase(Enum):
    SHUT = auto()
    OPEN = auto()


class Event(Enum):
    PUSHED = auto()
    PULLED_HARD = auto()


@pytest.mark.parametrize("name", machines())
def test_the_picture_is_of_the_table_as_it_is_now(name: str) -> None:
    drawn = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert drawn == draw(machines()[name]), "run: .venv/bin/python -m scripts.draw_machines"


def test_there_is_a_picture_of_every_table_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(machines())


def test_every_phase_and_every_event_is_in_the_picture() -> None:
    svg = ElementTree.fromstring(
        draw({(Phase.SHUT, Event.PUSHED): Phase.OPEN, (Phase.OPEN, Event.PULLED_HARD): Phase.SHUT})
    )
    texts = [element.text for element in svg if element.tag.endswith("text")]
    assert sorted(filter(None, texts)) == ["open", "pulled hard", "pushed", "shut"]
    assert sum(element.tag.endswith("path") for element in svg) == 2


def test_an_event_that_changes_nothing_is_named_and_has_no_arrow() -> None:
    svg = ElementTree.fromstring(draw({(Phase.SHUT, Event.PUSHED): Phase.SHUT}))
    assert "pushed" in [element.text for element in svg]
    assert not any(element.tag.endswith("path") for element in svg)


def test_another_table_is_another_picture() -> None:
    pictures = {draw({(Phase.SHUT, event): to}) for event in Event for to in Phase}
    assert len(pictures) == 4
