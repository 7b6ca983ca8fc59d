from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos.services.supervise import supervise


class Reports:
    def __init__(self) -> None:
        self.crashes: list[tuple[str, Exception]] = []

    def __call__(self, name: str, crash: Exception) -> None:
        self.crashes.append((name, crash))


async def test_a_crash_ends_its_own_task_and_is_reported_as_it_was_raised() -> None:
    reports = Reports()
    crash = ValueError("bad")
    has_finished = trio.Event()

    async def fail() -> None:
        raise crash

    async def neighbour() -> None:
        await wait_all_tasks_blocked()
        has_finished.set()

    async def supervised() -> None:
        await supervise("peer", fail, on_crash=reports)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervised)
        nursery.start_soon(neighbour)
    assert reports.crashes == [("peer", crash)]
    assert has_finished.is_set()


async def test_work_that_ends_well_is_no_crash() -> None:
    reports = Reports()
    await supervise("peer", trio.lowlevel.checkpoint, on_crash=reports)
    assert reports.crashes == []


async def test_two_crashes_in_one_nursery_are_reported_as_one_group() -> None:
    reports = Reports()

    async def fail(crash: Exception) -> None:
        raise crash

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, ValueError("one"))
            nursery.start_soon(fail, KeyError("two"))

    await supervise("peer", work, on_crash=reports)
    [(name, group)] = reports.crashes
    assert name == "peer"
    assert isinstance(group, ExceptionGroup)
    assert group.subgroup(ValueError) is not None
    assert group.subgroup(KeyError) is not None


async def test_cancellation_passes_through_unreported() -> None:
    reports = Reports()
    has_returned = False
    with trio.CancelScope() as scope:
        scope.cancel()
        await supervise("peer", trio.sleep_forever, on_crash=reports)
        has_returned = True
    assert scope.cancelled_caught
    assert not has_returned
    assert reports.crashes == []


async def test_a_crash_while_being_cancelled_is_reported_and_the_cancellation_goes_on() -> None:
    reports = Reports()
    has_returned = False

    async def clean_up_badly() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while cleaning up")

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clean_up_badly)
            nursery.start_soon(trio.sleep_forever)

    with trio.CancelScope() as scope:
        scope.cancel()
        await supervise("peer", work, on_crash=reports)
        has_returned = True
    assert scope.cancelled_caught
    assert not has_returned
    assert len(reports.crashes) == 1


async def test_what_is_no_exception_of_a_task_is_not_swallowed() -> None:
    reports = Reports()

    async def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await supervise("peer", interrupted, on_crash=reports)
    assert reports.crashes == []
