"""The two tables: every cell is a legal move, or refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from talos.core.keylog_kinds import BrokenKeyLog
from talos.core.keylog_state import FATES, NEXT, Fate, Move, Phase, Standing
from tests.node.core.identities import FAR_MS, START_MS, Holder, instance

STATE = Holder().log(1).state


@pytest.mark.parametrize(("phase", "move"), list(product(Phase, Move)))
def test_every_move_of_an_identity_is_in_the_table_or_refused(phase: Phase, move: Move) -> None:
    state = replace(STATE, phase=phase)
    if (phase, move) in NEXT:
        assert state.moved(move) is NEXT[phase, move]
    else:
        with pytest.raises(BrokenKeyLog, match=f"{move.name} while {phase.name}"):
            state.moved(move)


@pytest.mark.parametrize(("standing", "fate"), list(product(Standing, Fate)))
def test_every_fate_of_an_instance_is_in_the_table_or_refused(standing: Standing, fate: Fate) -> None:
    one = replace(STATE.instances[instance(0)], standing=standing)
    if (standing, fate) in FATES:
        assert one.after(fate) == replace(one, standing=FATES[standing, fate])
    else:
        with pytest.raises(BrokenKeyLog, match=f"{fate.name} while {standing.name}"):
            one.after(fate)


def test_revoked_and_retired_are_for_ever() -> None:
    assert {after for (before, _), after in NEXT.items() if before is Phase.REVOKED} <= {Phase.REVOKED}
    assert {after for (before, _), after in FATES.items() if before is Standing.RETIRED} == {Standing.RETIRED}


def test_only_a_thaw_or_a_revocation_leads_out_of_frozen() -> None:
    ways = {move for (before, move), after in NEXT.items() if before is Phase.FROZEN is not after}
    assert ways == {Move.THAWED, Move.REVOKED}


def test_every_phase_and_standing_can_be_reached() -> None:
    assert {*NEXT.values(), Phase.PROVISIONED} == set(Phase)
    assert {*FATES.values(), Standing.ACTIVE} == set(Standing)


@pytest.mark.parametrize("phase", Phase)
def test_nothing_that_a_frozen_or_revoked_identity_signs_counts(phase: Phase) -> None:
    assert replace(STATE, phase=phase).is_usable() is (phase not in (Phase.FROZEN, Phase.REVOKED))


def test_an_instance_is_active_until_its_certificate_ends() -> None:
    one = STATE.instances[instance(0)]
    assert (one.is_active(FAR_MS - 1), one.is_active(FAR_MS)) == (True, False)
    assert not replace(one, standing=Standing.SUSPENDED).is_active(START_MS)
