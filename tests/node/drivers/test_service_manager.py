"""The notify protocol and the watchdog of systemd, over real datagram sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from talos.drivers.service_manager import STATUS_SIZE_MAX, ServiceManager
from talos.errors import UsageError


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.setblocking(False)
        heard.bind("\0" + address[1:] if address.startswith("@") else address)
        yield heard


def manager_at(address: str, complaints: list[str] | None = None, **more: str) -> ServiceManager:
    heard: list[str] = [] if complaints is None else complaints
    return ServiceManager.of({"NOTIFY_SOCKET": address, **more}, 42, complain=heard.append)


@pytest.mark.parametrize("kind", ["path", "abstract"])
async def test_what_is_told_is_one_datagram_of_lines(kind: str, tmp_path: Path) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"@talos-test-{os.getpid()}"
    with listening(address) as heard:
        manager = manager_at(address)
        await manager.tell(READY=1, status="listening\non 127.0.0.1:1")
        await manager.tell(STOPPING=1)
        assert heard.recv(4096) == b"READY=1\nSTATUS=listening on 127.0.0.1:1"
        assert heard.recv(4096) == b"STOPPING=1"


async def test_a_status_is_cut_to_its_limit(tmp_path: Path) -> None:
    with listening(str(tmp_path / "notify")) as heard:
        await manager_at(str(tmp_path / "notify")).tell(READY=1, status="x" * (STATUS_SIZE_MAX + 1))
        assert heard.recv(4096) == b"READY=1\nSTATUS=" + b"x" * STATUS_SIZE_MAX


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"WATCHDOG_USEC": "1000000"}])
async def test_where_nobody_asked_nothing_is_told(environment: dict[str, str]) -> None:
    complaints: list[str] = []
    await ServiceManager.of(environment, 42, complain=complaints.append).tell(READY=1)
    assert complaints == []


@pytest.mark.parametrize("address", ["notify", "@", "/", "vsock:2:1234", "./notify"])
def test_an_address_of_another_kind_is_refused_by_its_name(address: str) -> None:
    with pytest.raises(UsageError, match="NOTIFY_SOCKET") as caught:
        manager_at(address)
    assert caught.value.fix is not None


async def test_a_manager_that_has_gone_is_complained_of_once_until_it_is_back(tmp_path: Path) -> None:
    complaints: list[str] = []
    address = str(tmp_path / "notify")
    manager = manager_at(address, complaints)
    await manager.tell(READY=1, status="x")
    await manager.tell(WATCHDOG=1)
    assert complaints == [f"the service manager at {address} cannot be told READY=1: No such file or directory"]
    with listening(address) as heard:
        await manager.tell(WATCHDOG=1)
        assert heard.recv(4096) == b"WATCHDOG=1"
    await manager.tell(WATCHDOG=1)
    assert complaints[1:] == [f"the service manager at {address} cannot be told WATCHDOG=1: Connection refused"]


async def test_a_path_that_no_socket_can_have_is_complained_of(tmp_path: Path) -> None:
    complaints: list[str] = []
    await manager_at("/" + "x" * 200, complaints).tell(READY=1)
    (complaint,) = complaints
    assert "path too long" in complaint


async def test_a_manager_that_reads_nothing_keeps_nobody_waiting_for_long(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    complaints: list[str] = []
    address = str(tmp_path / "notify")
    with listening(address) as heard:
        manager = manager_at(address, complaints)
        told = 0
        while not complaints:
            await manager.tell(WATCHDOG=1)
            told += 1
        assert complaints == [f"the service manager at {address} cannot be told WATCHDOG=1: it takes nothing for 0.5 s"]
        assert trio.current_time() == pytest.approx(0.5)
        for _ in range(told - 1):
            heard.recv(4096)
        await manager.tell(STOPPING=1)
        assert heard.recv(4096) == b"STOPPING=1"


@pytest.mark.parametrize("whose", [{}, {"WATCHDOG_PID": "42"}])
async def test_the_watchdog_is_told_twice_in_each_of_its_intervals(
    whose: dict[str, str], tmp_path: Path, autojump_clock: MockClock
) -> None:
    with listening(str(tmp_path / "notify")) as heard:
        with trio.move_on_after(9):
            await manager_at(str(tmp_path / "notify"), None, WATCHDOG_USEC="4000000", **whose).keep_alive()
        assert [heard.recv(4096) for _ in range(5)] == [b"WATCHDOG=1"] * 5  # At 0, 2, 4, 6 and 8 s.
        with pytest.raises(BlockingIOError):
            heard.recv(4096)


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "43"}])
async def test_a_watchdog_of_nobody_or_of_another_process_is_told_nothing(more: dict[str, str], tmp_path: Path) -> None:
    with listening(str(tmp_path / "notify")) as heard:
        await manager_at(str(tmp_path / "notify"), None, **more).keep_alive()
        with pytest.raises(BlockingIOError):
            heard.recv(4096)


@pytest.mark.parametrize("given", ["0", "-1", "1e6", "soon", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_an_interval_that_is_none_is_refused_by_its_name(given: str) -> None:
    with pytest.raises(UsageError, match="WATCHDOG_USEC"):
        manager_at("/run/notify", WATCHDOG_USEC=given)
