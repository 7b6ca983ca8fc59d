"""Which node a command means, and how it answers: the options that every verb takes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

import click

from talos.config import Config, data_folder, load
from talos.control.client import ControlClient
from talos.errors import NotReachable
from talos.runtime import read_identity


@dataclass(frozen=True, slots=True)
class Place:
    """What --data-dir, --name and --json said."""

    data_dir: Path | None
    name: str | None
    as_json: bool

    @property
    def folder(self) -> Path:
        """The node's data folder. Raises `UsageError`."""
        return data_folder(self.data_dir, self.name, os.environ)

    def config(self, **flags: object) -> Config:
        """Return the node's settings; `flags` as in `talos.config.load`. Raises `UsageError`."""
        return load(self.folder, os.environ, {"name": self.name, **flags})

    @asynccontextmanager
    async def node(self) -> AsyncIterator[ControlClient]:
        """Yield a connection to the running node. Raises `NoIdentity` or `NotReachable`."""
        async with AsyncExitStack() as stack:
            try:
                client = await stack.enter_async_context(ControlClient(self.folder))
            except NotReachable:
                read_identity(self.config())  # "No identity here" is the better answer, where it is true.
                raise
            yield client


def at_a_place(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the options that say where, as its first argument."""

    @click.option("--data-dir", type=click.Path(path_type=Path), help="The node's folder.  [env: TALOS_DATA_DIR]")
    @click.option("--name", help="The node's name; its folder is then the default one of that name.  [env: TALOS_NAME]")
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @wraps(command)
    def with_place(*, data_dir: Path | None, name: str | None, as_json: bool, **others: object) -> None:
        command(Place(data_dir, name, as_json), **others)

    return with_place
