"""The DHT, driven: its timer runs when something is due, and no later."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from talos.core.boxes import Boxes
from talos.core.budgets import Budgets
from talos.drivers.memory_store import MemoryStore
from talos.drivers.real_host import real_host
from talos.host import Host
from talos.services.desk import Desk
from talos.services.discovery.dht import DhtRunner
from talos.services.discovery.ports import Ports
from talos.services.signal import Signal
from talos_dht import Contact, Dht, Done, Effect, Job, Now, Send
from talos_ratchet import make_key_pair


@dataclass(frozen=True)
class Clockwork:
    """The part of a node's desk that a runner uses, and the very functions of it."""

    host: Host = field(default_factory=lambda: real_host(MemoryStore(()), MemoryStore(())))
    budgets: Budgets = field(default_factory=Budgets)

    spend = Desk.spend
    steady_ms = Desk.steady_ms
    now_ms = Desk.now_ms


def runner() -> DhtRunner:
    """Return one without a port: whatever it sends is lost."""
    desk = cast("Desk", Clockwork())
    entropy, now = desk.host.entropy, Now(desk.steady_ms(), desk.now_ms())
    pair = make_key_pair(entropy)
    dht = Dht(pair.public, key_of=lambda *_: None, entropy=entropy, rows={}, now=now)
    return DhtRunner(desk, dht, Ports(desk, Boxes(pair, entropy), [], lambda name, work: None), Signal())


async def test_what_is_begun_while_the_timer_sleeps_is_due_when_it_says(autojump_clock: MockClock) -> None:
    driven, nobody = runner(), Contact.at(bytes(range(32)), "127.0.0.1", 9)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(driven.run)
        await wait_all_tasks_blocked()  # It sleeps for a minute: nothing is under way.
        began = trio.current_time()
        job = await driven.finished(partial(driven.dht.join, [nobody]))
        assert trio.current_time() - began == pytest.approx(4.0, abs=0.01)  # Sent after 0, 1 and 3 s, and 1 s of grace.
        assert job.reports[0].queries == 1
        nursery.cancel_scope.cancel()


async def test_two_that_are_begun_one_after_the_other_both_end_in_time(autojump_clock: MockClock) -> None:
    driven, ended = runner(), list[float]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(driven.run)

        async def join(number: int, after_s: float) -> None:
            await trio.sleep(after_s)
            await driven.finished(partial(driven.dht.join, [Contact.at(bytes([number]) * 32, "127.0.0.1", 9)]))
            ended.append(trio.current_time() - began)

        began = trio.current_time()
        async with trio.open_nursery() as joins:
            joins.start_soon(join, 1, 0.0)
            joins.start_soon(join, 2, 0.5)
        assert ended == pytest.approx([4.0, 4.5], abs=0.01)
        nursery.cancel_scope.cancel()


async def test_a_job_that_is_done_is_told_even_if_what_stands_before_it_is_broken_off(
    autojump_clock: MockClock,
) -> None:
    driven, nobody = runner(), Contact.at(bytes(range(32)), "127.0.0.1", 9)

    async def stalled(to: Contact, body: bytes) -> None:
        await trio.sleep_forever()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            jobs = list[Job]()

            def begin(now: Now) -> tuple[Job, list[Effect]]:
                jobs.append(driven.dht.find(nobody.id, now)[0])
                return jobs[0], []

            nursery.start_soon(driven.finished, begin)
            await wait_all_tasks_blocked()
            driven._ports.send = stalled  # type: ignore[method-assign]  # As where the socket's buffer is full.
            with trio.move_on_after(1):  # As a greeting, in which a datagram came over a stream.
                await driven._do([Send(nobody, b""), Done(jobs[0])])
