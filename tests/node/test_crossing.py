"""One call between two threads, in whatever order its moments come: told once, and no value lost."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos.client.crossing import Crossing
from talos.errors import NodeStopped


class Caller:
    """Counts what it is told, and what is undone."""

    def __init__(self, *, is_there: bool = True) -> None:
        self.is_there = is_there
        self.told = 0
        self.undone: list[int] = []
        self.ended: list[Crossing[int]] = []

    def tell(self) -> bool:
        self.told += 1
        return self.is_there

    def crossing(self, value: int = 7, *, after: trio.Event | None = None) -> Crossing[int]:
        async def work() -> int:
            if after is not None:
                await after.wait()
            return value

        return Crossing(work, self.tell, self.undone.append)


async def test_a_value_is_told_of_once_and_taken_once() -> None:
    caller = Caller()
    crossing = caller.crossing()
    async with trio.open_nursery() as nursery:
        crossing.begin(nursery, caller.ended.append)
    assert (caller.told, caller.ended, crossing.take()) == (1, [crossing], 7)
    crossing.take_back()
    assert caller.undone == []


async def test_a_cancel_that_comes_before_the_call_has_begun_ends_it_and_it_never_begins() -> None:
    caller = Caller()
    crossing = caller.crossing()
    crossing.cancel()
    assert (caller.told, crossing.was_cancelled) == (1, True)
    async with trio.open_nursery() as nursery:
        crossing.begin(nursery, caller.ended.append)
        assert not nursery.child_tasks
    assert (caller.told, caller.ended, caller.undone) == (1, [crossing], [])


async def test_a_cancel_while_it_waits_ends_it() -> None:
    caller = Caller()
    crossing = caller.crossing(after=trio.Event())
    async with trio.open_nursery() as nursery:
        crossing.begin(nursery, caller.ended.append)
        await wait_all_tasks_blocked()
        assert caller.told == 0
        crossing.cancel()
    assert (caller.told, crossing.was_cancelled, caller.ended) == (1, True, [crossing])


@pytest.mark.parametrize("moment", ["before", "meanwhile", "after"])
async def test_a_value_that_nobody_takes_is_undone_once(moment: str) -> None:
    caller, may_end = Caller(), trio.Event()
    crossing = caller.crossing(after=may_end)
    if moment == "before":
        assert not crossing.abandon()
    async with trio.open_nursery() as nursery:
        crossing.begin(nursery, caller.ended.append)
        await wait_all_tasks_blocked()
        if moment == "meanwhile":
            assert not crossing.abandon()
        may_end.set()
    if moment == "after":
        assert crossing.abandon()
    crossing.take_back()
    crossing.take_back()
    assert caller.undone == [7]


async def test_a_value_for_somebody_who_is_gone_is_undone() -> None:
    caller = Caller(is_there=False)
    async with trio.open_nursery() as nursery:
        caller.crossing().begin(nursery, caller.ended.append)
    assert (caller.told, caller.undone) == (1, [7])


async def test_what_is_told_to_have_ended_holds_nothing_of_the_work() -> None:
    class Held:
        async def __call__(self) -> int:
            return 7

    def watch() -> tuple[Held, Callable[[], bool]]:
        held = Held()
        is_held = weakref.ref(held)

        def tell() -> bool:
            seen.append(is_held() is None)
            return True

        return held, tell

    seen: list[bool] = []
    async with trio.open_nursery() as nursery:
        Crossing(*watch()).begin(nursery, lambda crossing: None)
    assert seen == [True]


async def test_a_thread_that_ends_ends_the_call_and_is_its_error() -> None:
    caller = Caller()
    crossing = caller.crossing(after=trio.Event())
    with trio.CancelScope() as life:
        async with trio.open_nursery() as nursery:
            crossing.begin(nursery, caller.ended.append)
            await wait_all_tasks_blocked()
            life.cancel()
    assert caller.told == 0
    crossing.end(NodeStopped("planted"))
    crossing.end(NodeStopped("too late"))
    assert caller.told == 1
    with pytest.raises(NodeStopped, match="planted"):
        crossing.take()
