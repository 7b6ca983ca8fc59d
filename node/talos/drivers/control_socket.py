"""The unix socket through which programs of the same user talk to a running node.

Who may connect is decided by the file system: the data folder has mode 0700 and the socket 0600.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import trio

from talos.drivers.files import FILE_MODE
from talos.drivers.tcp import BACKLOG, BROKE_EARLY, OUT_OF_ROOM, RETRY_ACCEPT_S, TcpStream
from talos.errors import NotReachable, UsageError
from talos.host import Address, LinkClosed

SOCKET_FILE: Final = "control.sock"
# Bytes of a socket's path: sun_path has 104 on macOS and the BSDs and 108 on Linux, its final zero included.
PATH_SIZE_MAX: Final = 103


class ControlListener:
    """A `talos.host.Listener` on the file system; its address is the path, with port 0."""

    def __init__(self, listening: trio.socket.SocketType, path: Path) -> None:
        self._socket = listening
        self._path = path

    @property
    def address(self) -> Address:
        return Address(str(self._path), 0)

    async def accept(self) -> TcpStream:
        """Return the next stream. Waits where files or memory ran out. Raises `LinkClosed` once closed."""
        while True:
            try:
                accepted, _ = await self._socket.accept()
            except trio.ClosedResourceError as error:
                raise LinkClosed(f"{self._path} is closed") from error
            except OSError as error:
                if error.errno in OUT_OF_ROOM:
                    await trio.sleep(RETRY_ACCEPT_S)
                elif error.errno not in BROKE_EARLY:
                    raise LinkClosed(f"{self._path} broke: {error.strerror}") from error
            else:
                return TcpStream(trio.SocketStream(accepted), self.address)

    async def aclose(self) -> None:
        """Close, and take the file away, so that nobody dials a node that is gone."""
        if self._socket.fileno() != -1:
            self._socket.close()
            self._path.unlink(missing_ok=True)
        await trio.lowlevel.cancel_shielded_checkpoint()


def control_path(folder: Path) -> Path:
    """Return where the socket of the node in `folder` is. Raises `UsageError` if a socket's path cannot be so long."""
    path = folder / SOCKET_FILE
    size = len(os.fsencode(path))
    if size > PATH_SIZE_MAX:
        raise UsageError(
            f"the control socket {path} would have a path of {size} bytes; sockets take at most {PATH_SIZE_MAX}",
            fix="Give a shorter folder with --data-dir or TALOS_DATA_DIR",
        )
    return path


async def listen_control(folder: Path) -> ControlListener:
    """Listen in `folder`, which the caller holds (`hold_folder`): a socket that is there is of a dead node, and goes.

    Raises `UsageError`.
    """
    path = control_path(folder)
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with ExitStack() as undo:
        undo.callback(listening.close)
        try:
            _remove_stale(path)
            await listening.bind(str(path))
            path.chmod(FILE_MODE)  # Before `listen`: until then nobody can connect.
            listening.listen(BACKLOG)
        except OSError as error:
            raise UsageError(f"cannot listen on {path}: {error.strerror}", fix=f"Make {folder} writable") from error
        undo.pop_all()
    return ControlListener(listening, path)


async def dial_control(folder: Path) -> TcpStream:
    """Connect to the node that runs in `folder`. Raises `NotReachable`, `UsageError` for a path that is too long."""
    path = control_path(folder)
    dialling = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with ExitStack() as undo:
        undo.callback(dialling.close)
        try:
            await dialling.connect(str(path))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
            raise NotReachable(f"no node is running in {folder}", fix=f"talos-node --data-dir {folder}") from error
        except OSError as error:
            raise NotReachable(f"cannot reach the node in {folder}: {error.strerror}") from error
        undo.pop_all()
    return TcpStream(trio.SocketStream(dialling), Address(str(path), 0))


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise UsageError(f"{path} is in the way: it is no socket", fix=f"Move {path} elsewhere")
    path.unlink()
