"""Telling a service manager how the process is: systemd's notify protocol, and its watchdog.

Source: sd_notify(3), sd_watchdog_enabled(3). One datagram of KEY=VALUE lines per call, to a unix socket: NOTIFY_SOCKET
is its path, or "@" and its name in the abstract namespace of Linux.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Final

import trio

from talos.errors import UsageError

TELL_S: Final = 0.5  # Seconds that a manager whose queue is full may keep a node from stopping.
STATUS_SIZE_MAX: Final = 512  # Characters of a status that are told.


class ServiceManager:
    """Whoever started this process and wants to know how it is; nobody, where `address` is None."""

    def __init__(self, address: str | None, watchdog_s: float | None, complain: Callable[[str], None]) -> None:
        self._address = address
        self._watchdog_s = watchdog_s  # Seconds of silence after which we are killed.
        self._complain = complain
        self._is_deaf = False

    @classmethod
    def of(cls, environment: Mapping[str, str], process: int, *, complain: Callable[[str], None]) -> ServiceManager:
        """Return the manager that the environment names, for the process of this id. Raises `UsageError`."""
        return cls(_address(environment), _watchdog_s(environment, process), complain)

    async def tell(self, *, status: str | None = None, **states: int) -> None:
        """Tell states, as READY=1, and one line of `status`, at most `STATUS_SIZE_MAX` characters of it.

        If that fails, `complain` is called, once until it works again, and the node goes on: a manager that needed to
        know acts on silence.
        """
        if self._address is None:
            return
        lines = [f"{state}={value}" for state, value in states.items()]
        if status is not None:
            lines.append("STATUS=" + " ".join(status.split())[:STATUS_SIZE_MAX])
        why = await _say(self._address, "\n".join(lines).encode())
        if why is not None and not self._is_deaf:
            self._complain(f"the service manager at {self._address} cannot be told {lines[0]}: {why}")
        self._is_deaf = why is not None

    async def keep_alive(self) -> None:
        """Tell twice in each watchdog interval, from trio, that trio's loop still turns; for ever, or not at all."""
        while self._watchdog_s is not None:
            await self.tell(WATCHDOG=1)
            await trio.sleep(self._watchdog_s / 2)


async def _say(address: str, datagram: bytes) -> str | None:
    """Return why it could not be said; None if it was."""
    with trio.move_on_after(TELL_S):
        try:
            await _send(address, datagram)
        except OSError as error:
            return error.strerror or str(error)
        return None
    return f"it takes nothing for {TELL_S:g} s"


async def _send(address: str, datagram: bytes) -> None:
    # A socket for each, so that a manager which was replaced is found; connected, so that trio can wait for room in it.
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        await sending.connect("\0" + address[1:] if address.startswith("@") else address)
        await sending.send(datagram)


def _address(environment: Mapping[str, str]) -> str | None:
    address = environment.get("NOTIFY_SOCKET")
    if not address:
        return None
    if address[0] not in "/@" or len(address) < 2:
        raise UsageError(
            f"NOTIFY_SOCKET is {address!r}, neither an absolute path nor @NAME",
            fix="Unset it if no service manager waits there",
        )
    return address


def _watchdog_s(environment: Mapping[str, str], process: int) -> float | None:
    """Return None where nobody watches, or another process is meant: then we have only inherited it."""
    given, whose = environment.get("WATCHDOG_USEC"), environment.get("WATCHDOG_PID")
    if not given or (whose and whose != str(process)):
        return None
    if not (given.isascii() and given.isdigit() and int(given) > 0):
        raise UsageError(f"WATCHDOG_USEC is {given!r}, no number of microseconds", fix="Unset it, or set WatchdogSec=")
    return int(given) / 1_000_000
