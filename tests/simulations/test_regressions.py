"""Runs that once found something wrong in the node, cut down to the faults that mattered."""

from __future__ import annotations

from talos_simulations.sweep import run_one
from talos_simulations.weather import Fault, Kind


def test_a_rotten_session_row_of_a_peer_that_is_not_loaded_yet_does_not_end_status() -> None:
    """`Node.status` raised `Damaged`, and nobody saw anything of any peer."""
    weather = (Fault(Kind.ROT, 58.0, 0.0, ("n0",), 0.475), Fault(Kind.KILL, 58.2, 0.5, ("n0",)))
    assert run_one("chaos", 3, nodes=4, weather=weather).held
