"""Clock, dice, KEM and worker threads of the real host."""

from __future__ import annotations

import threading

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey
from trio._core import _thread_cache
from trio.testing import MockClock, wait_all_tasks_blocked

from talos.core.tables import CACHE_TABLES, STATE_TABLES
from talos.drivers.clock import RealClock
from talos.drivers.entropy import entropy
from talos.drivers.kem import encapsulate
from talos.drivers.memory_store import MemoryStore
from talos.drivers.real_host import WORKERS_MAX, real_host
from talos.errors import MalformedMessage, StoreFailed
from talos.host import Clock, Host, Network, Store

YEAR_2020_MS = 1_577_836_800_000
YEAR_2100_MS = 4_102_444_800_000


def host_in_memory() -> Host:
    return real_host(MemoryStore(STATE_TABLES), MemoryStore(CACHE_TABLES))


async def test_the_real_host_offers_what_the_seam_promises() -> None:
    host = host_in_memory()
    seam: tuple[Network, Store, Store, Clock] = (host.network, host.store, host.cache, host.clock)
    assert seam[1] is not seam[2]
    assert len(host.entropy(32)) == 32


async def test_sleep_and_monotonic_are_one_clock(autojump_clock: MockClock) -> None:
    clock = RealClock()
    before = clock.monotonic()
    await clock.sleep(30.0)
    assert clock.monotonic() - before == pytest.approx(30.0)


async def test_a_deadline_cancels_its_body_and_no_more(autojump_clock: MockClock) -> None:
    clock = RealClock()
    before = clock.monotonic()
    with clock.move_on_after(5.0) as scope:
        await trio.sleep_forever()
    assert scope.cancelled_caught
    assert clock.monotonic() - before == pytest.approx(5.0)


async def test_a_moment_that_has_passed_is_now(autojump_clock: MockClock) -> None:
    clock = RealClock()
    before = clock.monotonic()
    await clock.sleep(-1.0)
    with clock.move_on_after(-1.0) as scope:
        await trio.sleep_forever()
    assert scope.cancelled_caught
    assert clock.monotonic() == before


def test_the_boot_clock_only_runs_forward_and_the_wall_clock_counts_milliseconds() -> None:
    clock = RealClock()
    first, second = clock.boot(), clock.boot()
    assert 0.0 < first <= second
    assert YEAR_2020_MS < clock.wall_ms() < YEAR_2100_MS


def test_entropy_gives_what_was_asked_and_never_twice() -> None:
    assert [len(entropy(size)) for size in (0, 1, 64)] == [0, 1, 64]
    assert len({entropy(16) for _ in range(1000)}) == 1000


def test_what_is_encapsulated_is_decapsulated_to_the_same_secret() -> None:
    private = MLKEM1024PrivateKey.from_seed_bytes(bytes(range(64)))
    public = private.public_key().public_bytes_raw()
    secret, ciphertext = encapsulate(public)
    assert (len(public), len(secret), len(ciphertext)) == (1568, 32, 1568)
    assert private.decapsulate(ciphertext) == secret
    assert encapsulate(public)[0] != secret


@pytest.mark.parametrize("public", [b"", bytes(1567), bytes(1569), b"\xff" * 1568])
def test_a_public_key_that_is_none_is_refused(public: bytes) -> None:
    with pytest.raises(MalformedMessage):
        encapsulate(public)


async def test_blocking_work_runs_beside_the_loop_and_returns_its_value() -> None:
    host = host_in_memory()
    assert await host.blocking(threading.get_ident) != threading.get_ident()


async def test_an_error_of_blocking_work_is_the_callers() -> None:
    def fail() -> None:
        raise MalformedMessage("on purpose")

    with pytest.raises(MalformedMessage, match="on purpose"):
        await host_in_memory().blocking(fail)


async def test_a_cancel_waits_for_blocking_work_to_end() -> None:
    host = host_in_memory()
    may_end, has_begun = threading.Event(), threading.Event()
    scope = trio.CancelScope()
    has_returned = False

    def work() -> None:
        has_begun.set()
        may_end.wait()

    async def caller() -> None:
        nonlocal has_returned
        with scope:
            await host.blocking(work)
        has_returned = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller)
        await host.blocking(has_begun.wait)
        scope.cancel()
        await wait_all_tasks_blocked()
        assert not has_returned
        may_end.set()
    assert has_returned


async def test_a_slow_worker_does_not_hold_up_a_commit() -> None:
    host = host_in_memory()
    may_end = threading.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(WORKERS_MAX - 1):
            nursery.start_soon(host.blocking, may_end.wait)
        await host.blocking(lambda: host.store.commit([]))
        may_end.set()


async def test_work_for_which_there_is_no_thread_fails_as_the_disk_does_and_the_next_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, done = host_in_memory(), list[str]()

    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(_thread_cache, "THREAD_CACHE", _thread_cache.ThreadCache())  # None is left from before.
        patch.setattr(threading.Thread, "start", refused)
        with pytest.raises(StoreFailed, match=r"no thread .*: can't start new thread; nothing was read or written"):
            await host.blocking(lambda: done.append("never"))
    await host.blocking(lambda: done.append("now"))
    assert done == ["now"]


async def test_what_the_work_itself_raises_is_raised() -> None:
    def work() -> None:
        raise RuntimeError("a bug of ours")

    with pytest.raises(RuntimeError, match="a bug of ours"):
        await host_in_memory().blocking(work)
