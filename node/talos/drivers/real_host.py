"""The host of a node in real life, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import trio

from talos.drivers.clock import RealClock
from talos.drivers.entropy import entropy
from talos.drivers.kem import encapsulate, require_kem
from talos.drivers.tcp import TcpNetwork
from talos.errors import StoreFailed
from talos.host import Host, Store

T = TypeVar("T")

# Worker threads per node. One commit runs at a time; the others keep it from waiting behind a key derivation.
WORKERS_MAX: Final = 4


class Workers:
    """A `talos.host.Blocking` with threads of its own, so an embedding program's threads cannot starve a commit."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(WORKERS_MAX)

    async def __call__(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread. A cancel waits for its end: a transaction is never left to itself.

        Raises `StoreFailed` where the system has no thread left: all such work is the disk's.
        """
        has_begun = False

        def begun() -> T:
            nonlocal has_begun
            has_begun = True
            return work()

        try:
            return await trio.to_thread.run_sync(begun, abandon_on_cancel=False, limiter=self._limiter)
        except RuntimeError as error:
            if has_begun:
                raise
            raise StoreFailed(
                f"no thread could be started: {error}; nothing was read or written",
                fix="Allow this program more threads (ulimit -u, or pids.max of its cgroup)",
            ) from error


def real_host(store: Store, cache: Store) -> Host:
    """Return the host of a node that keeps its promises in `store`. Closing the stores is the caller's job.

    Raises `TalosError` where the installed cryptography lacks ML-KEM-1024.
    """
    require_kem()
    return Host(
        network=TcpNetwork(),
        store=store,
        cache=cache,
        entropy=entropy,
        encapsulate=encapsulate,
        clock=RealClock(),
        blocking=Workers(),
    )
