from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from talos.core import reservations as page
from talos.core.reservations import NoReservation, RelayFull, Reservations, Ring

NOW = 1_000_000


def did(number: int) -> bytes:
    return number.to_bytes(32, "big")


def host(number: int) -> bytes:
    return number.to_bytes(4, "big")


def made() -> Reservations:
    numbers = count(1)
    return Reservations(lambda size: next(numbers).to_bytes(size, "big"))


def test_who_has_a_reservation_can_be_called_until_it_ends_and_nobody_else() -> None:
    relay = made()
    life_ms = relay.reserve(did(1), host(1), NOW)
    ring, _ = relay.ring(did(1), host(9), NOW + life_ms - 1)
    assert relay.waits(ring.token, NOW + life_ms) == ring
    for wanted, now_ms in ((did(2), NOW), (did(1), NOW + life_ms)):
        with pytest.raises(NoReservation):
            relay.ring(wanted, host(9), now_ms)


def test_a_renewal_counts_from_when_it_is_made_and_takes_no_second_place() -> None:
    relay = made()
    life_ms = relay.reserve(did(1), host(1), NOW)
    relay.reserve(did(1), host(1), NOW + life_ms - 1)
    relay.ring(did(1), host(9), NOW + 2 * life_ms - 2)
    assert len(relay) == 1


def test_a_client_whose_link_has_ended_is_forgotten() -> None:
    relay = made()
    relay.reserve(did(1), host(1), NOW)
    relay.reserve(did(2), host(1), NOW)
    relay.prune(lambda one: one == did(2))
    assert did(1) not in relay
    assert did(2) in relay


def test_an_address_has_8_reservations_and_all_together_128() -> None:
    relay = made()
    for number in range(page.PER_HOST_MAX):
        relay.reserve(did(number), host(1), NOW)
    with pytest.raises(RelayFull, match="same address"):
        relay.reserve(did(99), host(1), NOW)
    relay.reserve(did(0), host(1), NOW)  # Its own again.
    for number in range(page.PER_HOST_MAX, page.RESERVATIONS_MAX):
        relay.reserve(did(number), host(number), NOW)
    with pytest.raises(RelayFull, match="128 others"):
        relay.reserve(did(9_999), host(9_999), NOW)
    assert len(relay) == page.RESERVATIONS_MAX
    relay.reserve(did(9_999), host(9_999), NOW + page.LIFE_MS)


def joined(relay: Reservations, client: int, caller: int) -> tuple[Ring, Ring | None]:
    ring, _ = relay.ring(did(client), host(caller), NOW)
    return ring, relay.join(ring)


@pytest.mark.parametrize(
    ("most", "client", "caller", "text"),
    [
        (page.PER_CALLER_MAX, lambda n: n, lambda n: 7, "from your address"),
        (page.PER_CLIENT_MAX, lambda n: 0, lambda n: n, "of this client"),
        (page.CALLS_MAX, lambda n: n % 128, lambda n: n, "256 calls are joined"),
    ],
    ids=["caller", "client", "all"],
)
def test_calls_have_a_limit_and_one_that_is_over_makes_room(
    most: int, client: Callable[[int], int], caller: Callable[[int], int], text: str
) -> None:
    relay = made()
    for number in range(page.RESERVATIONS_MAX):
        relay.reserve(did(number), host(number), NOW)
    rings = [joined(relay, client(number), caller(number))[0] for number in range(most)]
    with pytest.raises(RelayFull, match=text):
        joined(relay, client(most), caller(most))
    relay.over(rings[0])
    assert joined(relay, client(most), caller(most))[1] is None


def test_calls_that_wait_have_a_limit_and_one_that_is_over_or_joined_makes_room() -> None:
    relay = made()
    for number in range(page.WAITING_MAX + 1):
        relay.reserve(did(number), host(number), NOW)
    rings = [relay.ring(did(number), host(number), NOW)[0] for number in range(page.WAITING_MAX)]
    for done, ring in ((relay.over, rings[0]), (relay.join, rings[1])):
        with pytest.raises(RelayFull, match="48 calls wait"):
            relay.ring(did(page.WAITING_MAX), host(999), NOW)
        done(ring)
        assert relay.ring(did(page.WAITING_MAX), host(999), NOW)[1] is None


def test_where_a_few_clients_have_all_calls_the_oldest_of_theirs_makes_way_for_whoever_has_fewer() -> None:
    relay = made()
    for number in range(6):
        relay.reserve(did(number), host(number), NOW)
    greedy = page.CALLS_MAX // page.PER_CLIENT_MAX
    rings = [joined(relay, number % greedy, number)[0] for number in range(page.CALLS_MAX)]
    ended: list[Ring] = []
    while len(ended) < page.CALLS_MAX:
        try:
            _, displaced = joined(relay, greedy + len(ended) % 2, 1_000 + len(ended))
        except RelayFull:
            break
        assert displaced is not None
        ended.append(displaced)
        assert relay.calls == page.CALLS_MAX
    share = page.CALLS_MAX // 6
    assert 2 * (share - 1) <= len(ended) <= 2 * (share + 1), "each has about its share, and nobody takes more by this"
    assert ended == rings[: len(ended)], "the oldest of whoever has most goes first"


def test_no_ring_that_nobody_has_answered_ends_a_call_that_is_joined() -> None:
    relay = made()
    for number in range(page.RESERVATIONS_MAX):
        relay.reserve(did(number), host(number // page.PER_HOST_MAX), NOW)
    greedy = page.CALLS_MAX // page.PER_CLIENT_MAX
    kept = {joined(relay, number % greedy, number)[0].token for number in range(page.CALLS_MAX)}
    rings = [relay.ring(did(32 + number % 8), host(2_000 + number), NOW)[0] for number in range(page.WAITING_MAX)]
    _, displaced = relay.ring(did(99), host(3_000), NOW)
    assert displaced == rings[0], "the oldest that waits of whoever has most of those"
    with pytest.raises(NoReservation):
        relay.waits(rings[0].token, NOW)
    assert kept <= {ring.token for ring in relay._all()}


def test_who_has_many_names_at_one_address_has_one_share() -> None:
    relay = made()
    relay.reserve(did(0), host(0), NOW)
    attackers = [1 + number for number in range(3 * page.PER_HOST_MAX)]
    for number in attackers:
        relay.reserve(did(number), host(1 + number % 3), NOW)
    for number in range(page.PER_CLIENT_MAX):
        joined(relay, 0, 1_000 + number)
    for number in range(page.CALLS_MAX - page.PER_CLIENT_MAX):
        joined(relay, attackers[number % len(attackers)], 2_000 + number)
    for number in attackers:
        with pytest.raises(RelayFull, match="share"):
            joined(relay, number, 3_000 + number)


def test_a_token_is_good_for_its_call_for_8_seconds() -> None:
    relay = made()
    relay.reserve(did(1), host(1), NOW)
    ring, _ = relay.ring(did(1), host(9), NOW)
    assert relay.waits(ring.token, NOW + page.CALL_MS - 1) == ring
    for token, now_ms in ((bytes(16), NOW), (ring.token, NOW + page.CALL_MS)):
        with pytest.raises(NoReservation):
            relay.waits(token, now_ms)
    relay.over(ring)
    with pytest.raises(NoReservation):
        relay.waits(ring.token, NOW)


def test_a_client_has_its_burst_at_once_and_then_its_rate() -> None:
    relay = made()
    relay.reserve(did(1), host(1), NOW)
    relay.reserve(did(2), host(2), NOW)
    piece = 16 * 1024
    waits = [relay.wait_ms(did(1), piece, NOW) for _ in range(page.BURST_BYTES // piece + 64)]
    assert set(waits[: page.BURST_BYTES // piece]) == {0}
    assert 900 <= waits[-1] <= 1_000  # 64 more are 1 MiB: a second.
    assert relay.wait_ms(did(2), piece, NOW) == 0
    assert relay.wait_ms(did(1), piece, NOW + 60_000) == 0


def test_who_renews_its_reservation_or_loses_it_has_no_second_burst() -> None:
    relay = made()
    relay.reserve(did(1), host(1), NOW)
    assert relay.wait_ms(did(1), page.BURST_BYTES, NOW) == 0
    relay.reserve(did(1), host(1), NOW)
    assert relay.wait_ms(did(1), page.RATE_BYTES, NOW) == 1_000
    relay.prune(lambda one: False)
    assert [relay.wait_ms(did(1), page.RATE_BYTES, NOW) for _ in range(3)] == [2_000, 3_000, 4_000]
    relay.reserve(did(1), host(1), NOW)
    assert relay.wait_ms(did(1), page.RATE_BYTES, NOW) == 5_000


def test_what_a_client_has_used_is_remembered_only_until_it_has_all_again() -> None:
    relay = made()
    for number in range(3):
        relay.wait_ms(did(number), (number + 1) * page.RATE_BYTES, NOW)
    relay.reserve(did(9), host(9), NOW + 2_000)
    assert relay._full_at_us == {did(2): 1_000 * (NOW + 3_000)}
