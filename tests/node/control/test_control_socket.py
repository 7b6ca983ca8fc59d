"""The socket's file: who may connect, what a dead node leaves, and paths that no socket can have."""

from __future__ import annotations

import socket
import stat
from contextlib import aclosing
from pathlib import Path

import pytest

from talos.drivers.control_socket import PATH_SIZE_MAX, control_path, dial_control, listen_control
from talos.errors import NotReachable, UsageError
from talos.host import LinkClosed


async def test_only_the_owner_may_connect(tmp_path: Path) -> None:
    async with aclosing(await listen_control(tmp_path)):
        mode = control_path(tmp_path).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_bytes_go_both_ways(tmp_path: Path) -> None:
    async with aclosing(await listen_control(tmp_path)) as listener:
        dialled = await dial_control(tmp_path)
        accepted = await listener.accept()
        await dialled.send_all(b"question")
        assert await accepted.receive_some(100) == b"question"
        await accepted.send_all(b"answer")
        assert await dialled.receive_some(100) == b"answer"
        await dialled.aclose()
        assert await accepted.receive_some(100) == b""
        await accepted.aclose()


async def test_closing_takes_the_file_away_and_ends_accept(tmp_path: Path) -> None:
    listener = await listen_control(tmp_path)
    await listener.aclose()
    await listener.aclose()
    assert not control_path(tmp_path).exists()
    with pytest.raises(LinkClosed):
        await listener.accept()


async def test_what_a_dead_node_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(control_path(tmp_path)))
    with pytest.raises(NotReachable, match="no node is running"):
        await dial_control(tmp_path)
    async with aclosing(await listen_control(tmp_path)):
        await (await dial_control(tmp_path)).aclose()


async def test_a_file_that_is_no_socket_is_not_touched(tmp_path: Path) -> None:
    control_path(tmp_path).write_text("mine", "utf-8")
    with pytest.raises(UsageError, match="in the way"):
        await listen_control(tmp_path)
    assert control_path(tmp_path).read_text("utf-8") == "mine"
    with pytest.raises(NotReachable):
        await dial_control(tmp_path)


@pytest.mark.parametrize("folder", ["", "none", "none/deeper"])
async def test_without_a_node_there_is_the_command_that_starts_one(tmp_path: Path, folder: str) -> None:
    with pytest.raises(NotReachable, match="no node is running") as caught:
        await dial_control(tmp_path / folder)
    assert caught.value.fix == f"talos-node --data-dir {tmp_path / folder}"


async def test_a_path_too_long_for_a_socket_is_refused_by_both_ends(tmp_path: Path) -> None:
    room = PATH_SIZE_MAX - len(str(tmp_path)) - len("/control.sock") - 1
    longest = tmp_path / ("x" * room)
    longest.mkdir()
    async with aclosing(await listen_control(longest)):
        await (await dial_control(longest)).aclose()
    too_long = tmp_path / ("x" * (room + 1))
    too_long.mkdir()
    for attempt in (listen_control, dial_control):
        with pytest.raises(UsageError, match=f"{PATH_SIZE_MAX + 1} bytes") as caught:
            await attempt(too_long)
        assert caught.value.fix is not None


async def test_a_folder_that_is_not_there_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot listen on"):
        await listen_control(tmp_path / "none")
