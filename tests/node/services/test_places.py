"""Places for greetings: how many at once, and who makes room for whom."""

from __future__ import annotations

from talos.core.budgets import source_of
from talos.services.places import (
    FAMILIAR_PLACES,
    RELAYED_PER_HOST,
    STRANGERS_MAX,
    STRANGERS_PER_HOST,
    STRANGERS_PER_NET,
    Place,
    Places,
)


def enter(places: Places, host: str, *, familiar: bool = False) -> Place | None:
    return places.enter(source_of(host), familiar=familiar)


def entered(places: Places, hosts: list[str], *, familiar: bool = False) -> list[Place]:
    taken = [place for host in hosts if (place := enter(places, host, familiar=familiar)) is not None]
    assert len(taken) == len(hosts)
    return taken


def nets(count: int, each: int = 1, first: int = 0) -> list[str]:
    return [f"10.0.{net}.{number}" for net in range(first, first + count) for number in range(each)]


def test_one_host_has_so_many_and_gets_another_when_one_is_free() -> None:
    places = Places()
    taken = entered(places, ["10.0.0.1"] * STRANGERS_PER_HOST)
    assert enter(places, "10.0.0.1") is None
    places.leave(taken[0])
    assert enter(places, "10.0.0.1") is not None


def test_a_relay_has_more_than_a_host_and_no_more_than_half() -> None:
    places, relay = Places(), source_of("10.0.0.1")
    for _ in range(RELAYED_PER_HOST):
        assert places.enter(relay, familiar=False, is_relayed=True) is not None
    assert places.enter(relay, familiar=False, is_relayed=True) is None
    assert RELAYED_PER_HOST <= STRANGERS_MAX // 2


def test_one_network_has_so_many() -> None:
    places = Places()
    entered(places, nets(1, STRANGERS_PER_NET))
    assert enter(places, "10.0.0.200") is None
    assert enter(places, "10.0.1.1") is not None


async def test_all_strangers_have_so_many_and_where_all_hold_one_nobody_makes_room() -> None:
    places = Places()
    taken = entered(places, nets(STRANGERS_MAX))
    assert enter(places, "10.1.0.1") is None
    assert len(places) == STRANGERS_MAX
    assert not any(place.scope.cancel_called for place in taken)


async def test_the_oldest_of_the_network_that_holds_most_makes_room_for_one_that_has_less() -> None:
    places = Places()
    few = entered(places, nets(STRANGERS_MAX - STRANGERS_PER_NET, 1, first=1))
    many = entered(places, nets(1, STRANGERS_PER_NET))
    assert enter(places, "10.1.0.1") is not None
    assert [place.scope.cancel_called for place in many] == [True] + [False] * (STRANGERS_PER_NET - 1)
    assert not any(place.scope.cancel_called for place in few)
    assert len(places) == STRANGERS_MAX


def test_four_networks_that_hold_everything_share_it_with_whoever_comes() -> None:
    places = Places()
    entered(places, nets(STRANGERS_MAX // STRANGERS_PER_NET, STRANGERS_PER_NET))
    assert all(enter(places, host) is not None for host in nets(20, 1, first=100))
    assert len(places) == STRANGERS_MAX


def test_a_difference_of_one_moves_nobody() -> None:
    places = Places()
    entered(places, nets(STRANGERS_MAX // 2, 2))
    assert enter(places, "10.1.0.1") is not None  # Two against none.
    assert enter(places, "10.1.0.2") is None  # Two against one.


def test_familiar_hosts_have_places_that_strangers_cannot_take() -> None:
    places = Places()
    entered(places, nets(STRANGERS_MAX))
    entered(places, nets(FAMILIAR_PLACES, 1, first=100), familiar=True)
    assert enter(places, "10.1.0.1", familiar=True) is None
    assert len(places) == STRANGERS_MAX + FAMILIAR_PLACES


def test_familiar_hosts_take_places_of_all_where_their_own_are_taken() -> None:
    places = Places()
    entered(places, nets(FAMILIAR_PLACES, 1), familiar=True)
    assert enter(places, "10.1.0.1", familiar=True) is not None
    entered(places, nets(STRANGERS_MAX - 1, 1, first=100))
    assert enter(places, "10.2.0.1") is None


def test_to_leave_twice_frees_one_place() -> None:
    places = Places()
    taken = entered(places, ["10.0.0.1"] * 2)
    places.leave(taken[0])
    places.leave(taken[0])
    assert len(places) == 1
