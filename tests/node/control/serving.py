"""Real nodes in memory, each with a control socket, for the tests beside this file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from talos.config import Config
from talos.control.server import serve_control
from talos.core.names import PeerAddress
from talos.drivers.clock import RealClock
from talos.drivers.control_socket import listen_control
from talos.drivers.files import make_folder
from talos.host import Stream
from talos.runtime import Node, open_node


@asynccontextmanager
async def serving(folder: Path, *, crashes: list[tuple[str, Exception]] | None = None) -> AsyncIterator[Node]:
    """Run a node whose control socket is in `folder`; end it.

    Fails if anything crashed behind a request, unless `crashes` is there to take it.
    """
    unforeseen = list[tuple[str, Exception]]()
    heard = unforeseen if crashes is None else crashes
    make_folder(folder)
    with open_node(Config(lan=False)) as node:
        async with aclosing(await listen_control(folder)) as listener, trio.open_nursery() as nursery:
            await nursery.start(node.run)
            await nursery.start(
                partial(serve_control, node, listener, RealClock(), on_crash=lambda *crash: heard.append(crash))
            )
            yield node
            nursery.cancel_scope.cancel()
    assert not unforeseen


@asynccontextmanager
async def serving_pair(folder: Path) -> AsyncIterator[tuple[Node, Node]]:
    """Run two nodes that know each other: their sockets are in `folder`/alice and `folder`/bob."""
    async with serving(folder / "alice") as alice, serving(folder / "bob") as bob:
        await alice.add_peer(PeerAddress.parse(f"{bob.did}@{bob.addresses[0]}"))
        yield alice, bob


async def ask(stream: Stream, line: bytes) -> Any:
    """Send a line; return the next line, decoded."""
    await stream.send_all(line + b"\n")
    return await next_answer(stream)


async def next_answer(stream: Stream) -> Any:
    answer = b""
    while not answer.endswith(b"\n"):
        data = await stream.receive_some(65_536)
        assert data, "the connection was closed without an answer"
        answer += data
    return json.loads(answer)
