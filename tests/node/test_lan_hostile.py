"""What liars on one's own network achieve: a place that leads nowhere, refusals that are counted, and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from talos.core.beacon import Beacon
from talos.core.neighbours import Neighbour
from talos.core.report import ReceiptState
from talos.errors import NotReachable
from talos.host import Address
from talos_dht import Record
from tests.node.near import at, beacon_of, did, discovery, found, heard, house, lan, on, stranger, until
from tests.processes.running import back_at, place, running


async def test_beacons_that_break_a_rule_are_counted_and_have_no_effect() -> None:
    async with house("ada", "bob") as (ada, bob), stranger() as eve:
        await until(lambda: heard(ada, bob))
        mine, good = await beacon_of(ada), await beacon_of(bob)
        raw = good.pack()
        bad = [
            *(raw[:size] for size in range(0, len(raw), 16)),
            raw + b"\x00",
            bytes(1_043),
            bytes(1_044),
            bytes(1_200),
            Beacon(b"\x07" * 32, 1, False, mine.record).pack(),  # Ours, by somebody else.
            Beacon(mine.key, 1, False, good.record).pack(),
            Beacon(good.key, 1, False, replace(good.record, expires_ms=0)).pack(),
            Beacon(good.key, 1, False, replace(good.record, expires_ms=2**48 - 1)).pack(),
        ]
        refused = lan(ada).traffic.refused
        for data in bad:
            await eve.send(data)
        await until(lambda: lan(ada).traffic.refused >= refused + len(bad))
        assert [one.beacon for one in heard(ada, bob)] == [good]
        assert not heard(ada, ada)
        assert await found(ada, bob) == [at(bob)]


def forged(record: Record) -> Record:
    """Return it changed, with the signature that it had."""
    return replace(record, seq=record.seq + 1)


async def test_a_false_record_is_not_believed_and_hides_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house("ada", "bob") as (ada, bob), stranger() as eve:
        await until(lambda: heard(ada, bob))
        good = await beacon_of(bob)
        lie = Beacon(good.key, 9, False, forged(good.record))
        await eve.send(lie.pack())  # Its key log is not known yet: it takes the place of what was heard from there.
        await until(lambda: heard(ada, bob)[0].beacon == lie)
        with pytest.raises(NotReachable, match="lan: nobody here shows its key log"):
            await discovery(ada).find(did(bob))
        lan(bob).say_soon()
        assert await found(ada, bob) == [at(bob)]
        taken = list[Beacon]()
        hear = lan(ada)._near.hear

        def watched(one: Neighbour) -> bool:
            taken.append(one.beacon)
            return hear(one)

        monkeypatch.setattr(lan(ada)._near, "hear", watched)
        behind = Beacon(good.key, 9, False, replace(good.record, did=bytes(32)))
        await eve.send(lie.pack())  # Now that it is known, the lie has no effect.
        await eve.send(behind.pack())
        await until(lambda: behind in taken)
        assert lie not in taken
        assert [one.beacon for one in heard(ada, bob)] == [good]


async def test_a_beacon_that_somebody_repeats_is_an_address_that_leads_nowhere(tmp_path: Path) -> None:
    bobs = on("bob", tmp_path)
    async with house("ada") as (ada,), stranger() as eve:
        async with running(bobs) as bob:
            await found(ada, bob)
            old, where = (await beacon_of(bob)).pack(), place(bob)
        async with running(on("eve")), running(back_at(bobs, where)) as bob:
            await until(lambda: heard(ada, bob)[0].beacon.pack() != old)
            good = heard(ada, bob)[0].beacon
            before = lan(ada).traffic.received
            await eve.send(old)
            await until(lambda: lan(ada).traffic.received > before)
            assert heard(ada, bob)[0].record == good.record
            assert await found(ada, bob) == [at(bob)]


async def test_a_flood_costs_a_budget_and_leaves_others_theirs() -> None:
    async with house("ada", "bob") as (ada, bob), stranger() as eve:
        await until(lambda: heard(ada, bob))
        good = await beacon_of(bob)
        refused, received = lan(ada).traffic.refused, lan(ada).traffic.received
        for number in range(200):
            other = replace(good.record, did=number.to_bytes(32, "big"))
            await eve.send(Beacon(good.key, 1, False, other).pack())
        await until(lambda: lan(ada).traffic.received >= received + 200)
        assert lan(ada).traffic.refused >= refused + 80  # Of one host, 120 a minute.
        async with running(on("cyd")) as cyd:
            assert await found(ada, cyd) == [at(cyd)]
        assert lan(ada).traffic.sent < 20


async def test_a_true_record_from_elsewhere_is_a_place_to_try_after_those_that_are_signed() -> None:
    async with house("ada", "bob") as (ada, bob), stranger("127.0.0.2") as eve:
        await until(lambda: heard(ada, bob))
        good = await beacon_of(bob)
        await eve.send(Beacon(b"\x07" * 32, 9, True, good.record).pack())
        await until(lambda: len(heard(ada, bob)) == 2)
        assert await found(ada, bob) == [at(bob), Address("127.0.0.2", 9)]
        receipt = await ada.send(bob.did, b"not to be led astray")
        assert receipt.state is ReceiptState.DELIVERED


async def test_a_record_that_was_borne_out_later_makes_way_for_no_older_one(tmp_path: Path) -> None:
    bobs = on("bob", tmp_path)
    async with house("ada") as (ada,), stranger() as eve:
        async with running(bobs) as bob:
            await until(lambda: heard(ada, bob))
            old, where = await beacon_of(bob), place(bob)
        async with running(back_at(bobs, where)) as bob:
            await until(lambda: heard(ada, bob)[0].beacon != old)
            assert not heard(ada, bob)[0].is_true
            assert await found(ada, bob) == [at(bob)]  # Now its key log is known.
            lan(bob).say_soon()
            await until(lambda: heard(ada, bob)[0].is_true)
            good, before = heard(ada, bob)[0].beacon, lan(ada).traffic.received
            await eve.send(old.pack())
            await until(lambda: lan(ada).traffic.received > before)
            assert heard(ada, bob)[0].beacon == good
