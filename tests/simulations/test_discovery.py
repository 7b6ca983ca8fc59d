"""Towns of DHT nodes: how fast, how sure, how far, under loss, death and lies. C and S as in docs/decisions/0013."""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from random import Random
from statistics import mean

import pytest

from talos_dht import Dht, Effect, Find, Job, K, Now, Publish, Record
from talos_simulations.cores import Core, Wire
from talos_simulations.discovery import Act, Colluder, Town, Trial, Turncoat, contact_of
from talos_simulations.errands import PATIENCE_MS, find, found, lookups, publish, reads, run, was_read
from tests.conftest import Report, Rounds


def join(town: Town, number: int) -> Act:
    def act(dht: Dht, now: Now) -> tuple[Job, list[Effect]]:
        return dht.join([town.contacts[number]], now)

    return act


def settled(seed: int, count: int, **options: object) -> Town:
    town = Town(seed, count, **options)  # type: ignore[arg-type]  # They are the Town's own.
    town.settle()
    return town


def published(town: Town, count: int) -> list[Record]:
    records = [town.record(number) for number in range(count)]
    trials = run(town, [(number, publish(record)) for number, record in enumerate(records)])
    for trial in trials:
        assert isinstance(trial.job, Publish)
        assert all(18 <= stored <= K for stored in trial.job.stored)  # The publisher itself is not counted.
    return records


def true_reads(town: Town, records: list[Record], count: int, seed: int) -> list[bool]:
    """Say of each of so many reads whether it found just the record."""
    return [was_read(trial) == record for trial, record in reads(town, records, count, Random(seed))]


def test_records_are_read_when_30_in_100_died_at_once() -> None:
    town = settled(3, 100)
    records = published(town, 5)
    town.kill(Random(3).sample(range(100), 30))
    assert sum(true_reads(town, records, 60, 3)) == 60


@pytest.mark.parametrize("liar", [Turncoat, Colluder])
def test_records_are_read_where_a_fifth_collude_since_or_before_they_were_published(
    liar: Callable[[Town, int], Core], rounds: Rounds
) -> None:
    kept = list[bool]()
    for seed in range(rounds(1, 20)):
        town = settled(seed, 160, colluding=[contact_of(seed, number) for number in range(160, 200)], liar=liar)
        records = published_among_liars(town, 10)
        town.is_attacked = True
        kept += true_reads(town, records, rounds(50, 100), seed)
    assert sum(kept) >= 0.99 * len(kept)


def published_among_liars(town: Town, count: int) -> list[Record]:
    """Publish where some may say that they store it and do not; so what they say is not looked at."""
    records = [town.record(number) for number in range(count)]
    run(town, [(number, publish(record)) for number, record in enumerate(records)])
    return records


def test_a_lookup_takes_fewer_hops_than_the_logarithm_of_all(rounds: Rounds, report: Report) -> None:
    for count in (64, 256)[: rounds(2, 1)] + (1_000, 10_000)[: rounds(0, 2)]:
        town = settled(6, count)
        trials = lookups(town, rounds(40, 1_000), Random(6))
        hops = [hops_of(trial) for trial in trials]
        queries = mean(trial.job.reports[0].queries for trial in trials if trial.job is not None)
        report(
            f"{count} nodes, log2 {log2(count):.1f}: {mean(hops):.2f} hops, {max(hops)} at most, {queries:.1f} queries"
        )
        assert max(hops) <= log2(count)
        assert sum(found(town, trial) for trial in trials) >= 0.999 * len(trials)


def hops_of(trial: Trial) -> int:
    assert isinstance(trial.job, Find)
    return trial.job.reports[0].hops


def test_who_joins_through_one_node_is_found_and_finds_everybody(rounds: Rounds) -> None:
    count = rounds(40, 300)
    town = Town(7, count, wire=Wire())
    dice = Random(7)
    for number in range(1, count):
        town.ask(number, join(town, dice.randrange(number)), number * 200.0)
    town.run_for(count * 200.0 + PATIENCE_MS)
    trials = run(town, [(dice.randrange(count), find(contact.id)) for contact in town.contacts])
    for contact, trial in zip(town.contacts, trials, strict=True):
        assert isinstance(trial.job, Find)
        own = town.contacts[trial.node] == contact
        assert own or trial.job.closest[0] == contact


def test_equal_seeds_make_equal_runs() -> None:
    def told(seed: int) -> list[float]:
        return [trial.ended_ms for trial in lookups(settled(seed, 40), 15, Random(8))]

    assert told(8) == told(8)
    assert told(8) != told(9)


def test_c3_a_record_lies_with_the_nearest_and_after_its_next_publication_with_who_has_joined_among_them() -> None:
    town = Town(10, 80, wire=Wire())
    town.kill(range(60, 80))
    town.settle()
    record = town.record(3)
    run(town, [(3, publish(record))])
    before = {salt: town.holders(record, salt) for salt in range(3)}
    assert all(lies_with_the_nearest(town, record, salt) for salt in range(3))
    for number in range(60, 80):
        town.citizens[number].alive = True
    run(town, [(number, join(town, 3)) for number in range(60, 80)])
    assert {salt: town.holders(record, salt) for salt in range(3)} == before  # Nobody hands over by guess.
    newer = town.record(3, seq=2)
    town.run_for(120_000)  # Who was dead is no longer remembered as silent.
    run(town, [(3, publish(newer))])
    assert all(lies_with_the_nearest(town, newer, salt) for salt in range(3))


def lies_with_the_nearest(town: Town, record: Record, salt: int) -> bool:
    """One more may hold it: its publisher, if it is among them, besides the 20 it was told of."""
    holders = town.holders(record, salt)
    return set(town.nearest(record.places[salt])) <= set(holders) and len(holders) <= K + 1


def test_c6_nothing_makes_a_record_outlive_the_end_it_was_signed_with() -> None:
    town = settled(11, 30, wire=Wire())
    record = town.record(0)
    run(town, [(0, publish(record))])
    for number in (5, 9, 13):  # Whoever holds it may pass it on.
        run(town, [(number, publish(record))])
        town.run_for(3_000_000)
    town.run_for(3_000_000)
    assert [town.holders(record, salt) for salt in range(3)] == [[], [], []]
    assert true_reads(town, [record], 5, 11) == [False] * 5


def test_c7_holders_that_were_away_while_it_changed_never_bring_the_old_one_back() -> None:
    town = settled(12, 80, wire=Wire())
    old, new = town.record(0), town.record(0, seq=2)
    run(town, [(0, publish(old))])
    away = {number for salt in range(3) for number in town.holders(old, salt)[::2]} - {0}
    town.kill(away)
    run(town, [(0, publish(new))])
    for number in away:
        town.citizens[number].alive = True
    before = sum(len(town.holders(old, salt)) for salt in range(3))
    run(town, [(number, publish(old)) for number in sorted(away)[:3]])
    assert true_reads(town, [new], 40, 12) == [True] * 40
    assert sum(len(town.holders(old, salt)) for salt in range(3)) < before  # Readers mend what they meet.


def test_c8_to_publish_costs_three_lookups_and_sixty_puts_an_hour_and_holders_send_nothing() -> None:
    town = settled(13, 80, wire=Wire())
    before = sum(citizen.sent for citizen in town.citizens)
    run(town, [(0, publish(town.record(0)))])
    sent = sum(citizen.sent for citizen in town.citizens) - before
    assert sent < 3 * 2 * (30 + K)
    quiet = sum(citizen.sent for citizen in town.citizens)
    town.run_for(1_800_000)
    assert sum(citizen.sent for citizen in town.citizens) == quiet


def test_c9_who_publishes_is_told_how_many_hold_it_and_zero_where_nobody_answers() -> None:
    town = settled(14, 40, wire=Wire())
    [reached] = run(town, [(0, publish(town.record(0)))])
    assert isinstance(reached.job, Publish)
    assert all(stored in (K - 1, K) for stored in reached.job.stored)
    town.kill(range(1, 40))
    town.run_for(300_000)
    [alone] = run(town, [(0, publish(town.record(0, seq=2)))])
    assert isinstance(alone.job, Publish)
    assert alone.job.is_done
    assert alone.job.stored == [0, 0, 0]
