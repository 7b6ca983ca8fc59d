"""Finds a scenario by its word, or by the path of a file that somebody wrote."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import re
import sys
from pathlib import Path
from typing import Final, TypeAlias

from talos.errors import UsageError
from talos_simulations import scenarios
from talos_simulations.story import Story
from talos_simulations.town_story import TownStory

Scenario: TypeAlias = Story | TownStory

WORD: Final = re.compile(r"[a-z][a-z0-9_]*")


def words() -> list[str]:
    """Return the words of the scenarios that come with Talos."""
    return sorted(module.name for module in pkgutil.iter_modules(scenarios.__path__))


def find(name: str) -> Scenario:
    """Return the story of a word, or of a file that ends in .py and sets STORY. Raises `UsageError`."""
    if name.endswith(".py"):
        return _load(Path(name))
    if not WORD.fullmatch(name) or name not in words():
        raise UsageError(
            f"there is no scenario {name!r}", fix=f"Known are {', '.join(words())}; or give a file, NAME.py"
        )
    return _story(importlib.import_module(f"{scenarios.__name__}.{name}").__dict__, name)


def _load(path: Path) -> Scenario:
    spec = importlib.util.spec_from_file_location(f"scenario {path.stem}", path)  # No name that another module has.
    if spec is None or spec.loader is None or not _is_readable(path):
        raise UsageError(f"there is no file {path}", fix="Give one that you may read")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # As `import` does: a dataclass looks there for its module.
    try:
        spec.loader.exec_module(module)  # It is somebody's own code: what it raises is theirs to see ...
    except SystemExit as error:  # ... but the exit code is ours: with 0 it would say that all promises were kept.
        raise UsageError(f"{path} exits where it should set STORY", fix="docs/simulator.md shows a scenario") from error
    return _story(module.__dict__, str(path))


def _is_readable(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.R_OK)
    except OSError:  # We may not even look.
        return False


def _story(found: dict[str, object], name: str) -> Scenario:
    story = found.get("STORY")
    if not isinstance(story, Story | TownStory):
        raise UsageError(f"{name} sets no STORY", fix="docs/simulator.md shows one")
    return story
