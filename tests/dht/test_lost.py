"""Those who fell silent: they are asked again, a few at a time, and who comes back brings its whole half with it."""

from __future__ import annotations

from random import Random
from typing import Final

from talos_dht import Contact, Dht, K, Kind, Request, Send, load
from talos_dht.dht import LOOK_MS
from talos_dht.lost import LOST_ASKED, LOST_MAX, Earlier, Lost
from talos_dht.table import DUMP_MAX
from tests.dht.net import Net
from tests.dht.people import contact, target
from tests.dht.publishers import at

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
NEIGHBOUR: Final = contact(1_000, host="192.168.1.2")  # In our own house.


def look_up(net: Net, number: int) -> None:
    net.act(number, net.nodes[number].find(target(number), net.now)[1])


def part(net: Net, for_ms: int) -> None:
    """Cut it in two, and let each half forget the other."""
    net.parted = True
    until_ms = net.now.mono_ms + for_ms
    for _ in range(3):  # Whom a lookup asks twice in vain goes.
        for number in range(len(net.nodes)):
            look_up(net, number)
        net.later(net.now.mono_ms + MINUTE_MS)
    net.later(until_ms)
    assert not any(known(net, number) & half(net, number + 1) for number in range(len(net.nodes)))


def known_of(node: Dht) -> set[Contact]:
    return set(node.table.closest(bytes(20), 1_000))


def known(net: Net, number: int) -> set[bytes]:
    return {one.id for one in net.nodes[number].table.closest(target(number), 1_000)}


def half(net: Net, number: int) -> set[bytes]:
    return {one.id for one in net.contacts[number % 2 :: 2]}


def test_halves_that_have_forgotten_each_other_are_one_again_after_the_cut() -> None:
    net = Net(16)
    part(net, 2 * HOUR_MS)
    net.parted = False
    net.later(net.now.mono_ms + 10 * MINUTE_MS)
    for number, node in enumerate(net.nodes):
        assert known(net, number) == {one.id for one in net.contacts} - {node.id}


def test_one_that_is_back_is_enough_to_find_its_half() -> None:
    net = Net(16)
    part(net, HOUR_MS)
    node, other = net.nodes[0], net.contacts[1]
    node._lost._contacts = {other.id: other}
    net.parted = False
    for effect in node.tick(at(node._look_ms)):
        net.act(0, [effect])
    assert len(half(net, 1) & known(net, 0)) >= 7


def test_those_that_are_gone_for_good_are_asked_by_turns() -> None:
    net = Net(12)
    for one in net.contacts[6:]:
        del net.by_place[one.place]
    for _ in range(3):
        look_up(net, 0)
        net.later(net.now.mono_ms + MINUTE_MS)
    node = net.nodes[0]
    assert len(node._lost) == 6
    net.astray.clear()
    net.later(net.now.mono_ms + 3 * MINUTE_MS)
    ours = [one for one in net.astray if Request.decode(one.body).kind is Kind.PING and one.to.id not in node.table]
    asked = {one.to.id for one in ours}
    assert asked == {one.id for one in net.contacts[6:]}, "each has its turn"


def test_no_more_are_asked_at_a_look_than_have_their_turn() -> None:
    node = Net(1).nodes[0]
    for number in range(1, 10):
        node._lost.add(contact(number))
    asked = [one.to.id for one in node.tick(at(LOOK_MS)) if isinstance(one, Send)]
    asked += [one.to.id for one in node.tick(at(2 * LOOK_MS)) if isinstance(one, Send)]
    assert asked[:LOST_ASKED] == [contact(number).id for number in range(1, LOST_ASKED + 1)]
    assert {contact(number).id for number in range(1, 2 * LOST_ASKED + 1)} <= set(asked)


def test_where_too_many_are_lost_one_drawn_goes_and_not_always_the_oldest() -> None:
    dice = Random(1)
    lost = Lost(dice.randbytes)
    for number in range(LOST_MAX):
        lost.add(contact(number))
    lost.add(contact(0))
    assert len(lost) == LOST_MAX
    for number in range(LOST_MAX, 2 * LOST_MAX):
        lost.add(contact(number))
    assert len(lost) == LOST_MAX
    left = sum(lost.is_back(contact(number)) for number in range(LOST_MAX))
    assert LOST_MAX // 5 < left < LOST_MAX // 2  # On average 0.37 of them.


def test_who_is_back_is_so_once_wherever_it_is_now() -> None:
    lost = Lost(Random(1).randbytes)
    lost.add(contact(1))
    assert lost.is_back(contact(1, host="10.9.9.9"))
    assert not lost.is_back(contact(1))


def test_where_few_are_left_some_of_those_that_fell_silent_are_saved_behind_them() -> None:
    node = Net(1).nodes[0]
    for number in range(1, 4):
        node.table.answered(contact(number), number)
    for number in range(100, 100 + LOST_MAX):
        node._lost.add(contact(number))
    saved = load(node.dump())
    assert saved[:3] == [contact(3), contact(2), contact(1)]
    assert saved[3:] == [contact(number) for number in range(100, 100 + K - 3)]


def test_where_enough_are_left_nobody_that_fell_silent_is_saved() -> None:
    node = Net(1).nodes[0]
    for number in range(1, K + 10):
        node.table.answered(contact(number), number)
    node._lost.add(contact(100))
    assert len(node.table) >= K
    assert set(load(node.dump())) == known_of(node)


def test_who_starts_while_its_line_is_down_forgets_nobody_because_a_neighbour_answers() -> None:
    node, far = Net(1).nodes[0], [contact(number) for number in range(1, DUMP_MAX)]
    node.join_again(far, [], at(0))
    node.table.answered(NEIGHBOUR, 1)
    for now_ms in (0, LOOK_MS, 2 * LOOK_MS):
        node.tick(at(now_ms))
        assert load(node.dump())[0] == NEIGHBOUR
        assert {*load(node.dump())} == {NEIGHBOUR, *far}


def test_who_started_while_its_line_was_down_is_back_in_its_network_minutes_after() -> None:
    net = Net(16)
    net.parted = True
    net.nodes[0] = node = net.made(0)
    net.act(0, node.join_again(net.contacts[1::2], [], net.now)[1])
    node.table.answered(NEIGHBOUR, net.now.mono_ms)
    net.later(10 * MINUTE_MS)
    assert not half(net, 1) & known(net, 0)
    net.parted = False
    net.later(20 * MINUTE_MS)
    assert len(half(net, 1) & known(net, 0)) >= 6, "all but those two that were just asked in vain"


def test_those_of_an_earlier_run_are_asked_by_turns() -> None:
    earlier = Earlier()
    earlier.begin([contact(number) for number in range(3)])
    asked = [one for _ in range(3) for one in earlier.turn()]
    assert asked == [contact(number) for number in (0, 1, 2, 0, 1, 2)]
    assert earlier.is_back(contact(0))
    assert earlier.turn() == []


def test_of_our_own_house_nobody_is_kept_whom_a_neighbour_outlived() -> None:
    node = Net(1).nodes[0]
    node.join_again([contact(2, host="192.168.1.3"), contact(3)], [], at(0))
    node.table.answered(NEIGHBOUR, 1)
    assert load(node.dump()) == [NEIGHBOUR, contact(3)]


def test_once_one_that_is_far_answers_those_that_do_not_are_forgotten() -> None:
    net = Net(2)
    node = net.nodes[0] = net.made(0)
    net.act(0, node.join_again([net.contacts[1], contact(7)], [], net.now)[1])
    assert load(node.dump()) == [net.contacts[1]]
