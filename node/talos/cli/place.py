"""Which node a command means, and how it answers: the options that every verb takes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Final

import click

from talos.config import Config, data_folder, load
from talos.control.client import ControlClient
from talos.drivers.keystore import Keystore
from talos.errors import NotReachable

# What `dial_control` met where no node runs; anything else kept us from one that may.
NOBODY_LISTENS: Final = (FileNotFoundError, NotADirectoryError, ConnectionRefusedError)


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

    def within(self, group: Place | None) -> Place:
        """Return what a command means that was given this, and its group `group`: its own word counts first."""
        if group is None:
            return self
        says_where = self.data_dir is not None or self.name is not None
        where = self if says_where else group
        return Place(where.data_dir, where.name, self.as_json or group.as_json)

    @asynccontextmanager
    async def node(self) -> AsyncIterator[ControlClient]:
        """Yield a connection to the running node, which has answered. Raises `NoIdentity` or `NotReachable`."""
        async with self.node_if_running() as client:
            if client is None:
                raise NotReachable(f"no node is running in {self.folder}", fix=f"talos-node --data-dir {self.folder}")
            yield client

    @asynccontextmanager
    async def node_if_running(self) -> AsyncIterator[ControlClient | None]:
        """Yield what `node` yields, or None if no node runs. Raises `NoIdentity` where there is none to run, and
        `NotReachable` where one may run and cannot be asked.
        """
        async with AsyncExitStack() as stack:
            client = None
            try:
                client = await stack.enter_async_context(ControlClient(self.folder))
            except NotReachable as error:
                if isinstance(error.__cause__, PermissionError):
                    raise NotReachable(error.what, fix="Ask as the user whose node it is") from error
                if not isinstance(error.__cause__, NOBODY_LISTENS):
                    raise
                Keystore(self.folder).require()  # "No identity here" is the better answer, where it is true.
            else:
                await client.whoami()  # The kernel takes connections for a node that hangs: see that it lives.
            yield client


def at_a_place(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the options that say where, as its first argument. Those of its group count too."""

    @click.option("--data-dir", type=click.Path(path_type=Path), help="The node's folder.  [env: TALOS_DATA_DIR]")
    @click.option("--name", help="The node's name; its folder is then the default one of that name.  [env: TALOS_NAME]")
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @wraps(command)
    def with_place(*, data_dir: Path | None, name: str | None, as_json: bool, **others: object) -> None:
        context = click.get_current_context()
        context.obj = Place(data_dir, name, as_json).within(context.find_object(Place))
        command(context.obj, **others)

    return with_place
