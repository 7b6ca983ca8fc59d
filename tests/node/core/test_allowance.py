"""What one peer may do in a minute: every deed at its limit, and one beyond."""

from __future__ import annotations

from itertools import product

import pytest

from talos.core.allowance import ALLOWED, BREACH_GREETINGS, Allowance, Deed
from talos.core.budgets import MINUTE_MS, OverBudget
from tests.node.core.end import NOW_MS


def spent(deed: Deed, now_ms: int = NOW_MS) -> Allowance:
    """Return an allowance of which nothing is left for this deed."""
    allowance = Allowance()
    for _ in range(ALLOWED[deed]):
        allowance.charge(deed, now_ms)
    return allowance


@pytest.mark.parametrize("deed", Deed)
def test_as_many_as_are_allowed_pass_at_once_and_one_more_does_not(deed: Deed) -> None:
    allowance = spent(deed)
    assert not allowance.has(deed, NOW_MS)
    with pytest.raises(OverBudget, match=f"more than {ALLOWED[deed]} {deed.name} in a minute"):
        allowance.charge(deed, NOW_MS)


@pytest.mark.parametrize("deed", Deed)
def test_each_is_allowed_again_in_its_time_and_all_of_them_after_a_minute(deed: Deed) -> None:
    assert MINUTE_MS % ALLOWED[deed] == 0
    allowance, each_ms = spent(deed), MINUTE_MS // ALLOWED[deed]
    assert not allowance.has(deed, NOW_MS + each_ms - 1)
    allowance.charge(deed, NOW_MS + each_ms)
    assert not allowance.has(deed, NOW_MS + each_ms)
    later_ms = NOW_MS + each_ms + MINUTE_MS
    for _ in range(ALLOWED[deed]):
        allowance.charge(deed, later_ms)
    assert not allowance.has(deed, later_ms)


@pytest.mark.parametrize(("deed", "other"), [pair for pair in product(Deed, Deed) if pair[0] is not pair[1]])
def test_one_deed_takes_nothing_from_another(deed: Deed, other: Deed) -> None:
    allowance = spent(deed)
    for _ in range(ALLOWED[other]):
        allowance.charge(other, NOW_MS)


@pytest.mark.parametrize("deed", [deed for deed in Deed if deed is not Deed.GREETING])
def test_going_over_costs_greetings_and_the_third_time_all_of_them(deed: Deed) -> None:
    allowance = spent(deed)
    for breach in range(1, ALLOWED[Deed.GREETING] // BREACH_GREETINGS + 1):
        assert allowance.has(Deed.GREETING, NOW_MS)
        with pytest.raises(OverBudget):
            allowance.charge(deed, NOW_MS)
        left = ALLOWED[Deed.GREETING] - breach * BREACH_GREETINGS
        assert allowance.has(Deed.GREETING, NOW_MS) is (left > 0)
    each_ms = MINUTE_MS // ALLOWED[Deed.GREETING]
    assert not allowance.has(Deed.GREETING, NOW_MS + each_ms - 1)
    assert allowance.has(Deed.GREETING, NOW_MS + each_ms)


def test_a_charge_of_many_at_once_passes_at_the_limit_and_not_beyond() -> None:
    Allowance().charge(Deed.PASSED_OVER, NOW_MS, ALLOWED[Deed.PASSED_OVER])
    with pytest.raises(OverBudget):
        Allowance().charge(Deed.PASSED_OVER, NOW_MS, ALLOWED[Deed.PASSED_OVER] + 1)


def test_a_charge_far_beyond_is_paid_off_in_a_minute_too() -> None:
    allowance = Allowance()
    with pytest.raises(OverBudget):
        allowance.charge(Deed.RESENT, NOW_MS, 1_000_000)
    assert allowance.has(Deed.RESENT, NOW_MS + MINUTE_MS)


def test_what_has_come_to_something_is_given_back_and_no_more_than_was_taken() -> None:
    allowance = spent(Deed.RESENT)
    allowance.give_back(Deed.RESENT, 64)
    allowance.charge(Deed.RESENT, NOW_MS, 64)
    assert not allowance.has(Deed.RESENT, NOW_MS)
    allowance.give_back(Deed.RESENT, 10 * ALLOWED[Deed.RESENT])
    allowance.charge(Deed.RESENT, NOW_MS, ALLOWED[Deed.RESENT])
    assert not allowance.has(Deed.RESENT, NOW_MS)
    Allowance().give_back(Deed.RESENT, 64)  # Where nothing was taken.
