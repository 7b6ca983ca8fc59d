"""Who was heard near us: shares that no liar gets beyond, and records that end."""

from __future__ import annotations

from dataclasses import replace

from talos.core.beacon import Beacon
from talos.core.neighbours import NEIGHBOURS_MAX, PER_IDENTITY_MAX, PER_SOURCE_MAX, Neighbour, Neighbours
from talos_dht import Record
from tests.node.core.test_beacon import BEACON, RECORD

NOW_MS = RECORD.expires_ms - 1_000


def heard(
    number: int, host: str, *, seq: int = 7, port: int = 4_040, is_true: bool = False, share: bytes = b""
) -> Neighbour:
    record: Record = replace(RECORD, did=number.to_bytes(32, "big"), seq=seq)
    return Neighbour(Beacon(BEACON.key, port, True, record), host, share or host.encode(), is_true)


def hosts(near: Neighbours, number: int) -> list[str]:
    return [one.host for one in near.of(number.to_bytes(32, "big"), NOW_MS)]


def test_who_was_heard_is_known_until_its_record_ends() -> None:
    near = Neighbours()
    assert near.hear(heard(1, "10.0.0.1"))
    assert hosts(near, 1) == ["10.0.0.1"]
    assert near.of(heard(1, "").did, RECORD.expires_ms - 1)
    assert not near.of(heard(1, "").did, RECORD.expires_ms)
    assert hosts(near, 2) == []


def test_whose_record_has_ended_is_no_neighbour_any_more() -> None:
    near = Neighbours()
    near.hear(heard(1, "10.0.0.1"))
    late = heard(2, "10.0.0.2")
    near.hear(replace(late, beacon=replace(late.beacon, record=replace(late.record, expires_ms=RECORD.expires_ms + 1))))
    near.expire(RECORD.expires_ms)
    assert [one.host for one in near.newest()] == ["10.0.0.2"]
    assert len(near) == 1


def test_what_is_heard_again_tells_nothing_new_unless_a_byte_differs() -> None:
    near = Neighbours()
    near.hear(heard(1, "10.0.0.1"))
    assert not near.hear(heard(1, "10.0.0.1"))
    assert near.hear(heard(1, "10.0.0.1", port=4_041))
    assert near.hear(heard(1, "10.0.0.1", seq=8))
    assert near.hear(heard(1, "10.0.0.2"))
    assert len(near) == 2
    assert near.knows(heard(1, "", seq=8).beacon, "10.0.0.1")
    assert near.knows(heard(1, "", seq=7).beacon, "10.0.0.1") is None
    assert near.knows(heard(1, "", seq=8).beacon, "10.0.0.3") is None


def test_a_true_record_is_not_replaced_by_an_older_one_and_one_that_nobody_has_checked_is() -> None:
    near = Neighbours()
    near.hear(heard(1, "10.0.0.1", seq=8, is_true=True))
    assert not near.hear(heard(1, "10.0.0.1", seq=7))
    assert [one.record.seq for one in near.of(heard(1, "").did, NOW_MS)] == [8]
    near.hear(heard(2, "10.0.0.1", seq=8))
    assert near.hear(heard(2, "10.0.0.1", seq=7))


def test_one_identity_is_at_so_many_hosts_and_the_one_heard_longest_ago_makes_room() -> None:
    near = Neighbours()
    for last in range(1, PER_IDENTITY_MAX + 1):
        near.hear(heard(1, f"10.0.0.{last}"))
    near.hear(heard(1, "10.0.0.1"))
    near.hear(heard(1, "10.0.0.9"))
    assert hosts(near, 1) == ["10.0.0.9", "10.0.0.1", "10.0.0.3"]


def test_a_source_that_floods_crowds_out_only_itself() -> None:
    near = Neighbours()
    for number in range(20):
        near.hear(heard(number, f"10.0.0.{number}"))
    for number in range(1_000, 1_000 + 2 * PER_SOURCE_MAX):
        near.hear(heard(number, "10.0.1.1"))
    assert len(near) == 20 + PER_SOURCE_MAX
    assert all(hosts(near, number) for number in range(20))
    assert hosts(near, 1_000 + PER_SOURCE_MAX - 1) == []
    assert hosts(near, 1_000 + PER_SOURCE_MAX) == ["10.0.1.1"]


def test_programs_on_one_machine_have_a_share_each() -> None:
    near = Neighbours()
    near.hear(heard(1, "127.0.0.1", share=b"bob's port"))
    for number in range(1_000, 1_000 + 2 * PER_SOURCE_MAX):
        near.hear(heard(number, "127.0.0.1", share=b"eve's port"))
    assert hosts(near, 1) == ["127.0.0.1"]
    near.hear(heard(1, "127.0.0.1", port=4_041, share=b"bob's next port"))
    assert hosts(near, 1) == ["127.0.0.1"]


def test_those_heard_last_are_the_newest() -> None:
    near = Neighbours()
    for number in (1, 2, 3, 1):
        near.hear(heard(number, "10.0.0.1"))
    assert [one.did[-1] for one in near.newest()] == [1, 3, 2]


def test_at_the_limit_of_all_the_host_with_most_makes_room() -> None:
    near = Neighbours()
    crowds = [f"10.0.1.{number}" for number in range(NEIGHBOURS_MAX // PER_SOURCE_MAX)]
    for at, host in enumerate(crowds):
        for number in range(PER_SOURCE_MAX):
            near.hear(heard(1_000 * (1 + at) + number, host))
    assert len(near) == NEIGHBOURS_MAX
    for number in range(20):
        near.hear(heard(number, "10.0.0.1"))
    assert len(near) == NEIGHBOURS_MAX
    assert all(hosts(near, number) for number in range(20))


def test_hosts_that_have_gone_leave_nothing() -> None:
    near = Neighbours()
    for number in range(3 * NEIGHBOURS_MAX):
        near.hear(heard(number, f"10.{number >> 8}.{number & 255}.1"))
    assert len(near) == len(near._shares) == NEIGHBOURS_MAX
