"""Runs that once found something wrong in the node, cut down to the faults that mattered."""

from __future__ import annotations

from talos_simulations.sweep import run_one
from talos_simulations.weather import Fault, Kind


def test_a_rotten_session_row_of_a_peer_that_is_not_loaded_yet_does_not_end_status() -> None:
    """`Node.status` raised `Damaged`, and nobody saw anything of any peer."""
    weather = (Fault(Kind.ROT, 58.0, 0.0, ("n0",), 0.475), Fault(Kind.KILL, 58.2, 0.5, ("n0",)))
    assert run_one("chaos", 3, nodes=4, weather=weather).held


def test_a_busy_that_is_read_on_an_older_link_does_not_hold_the_new_one() -> None:
    """Whoever had said it had forgotten it with that link; nothing more was sent for 30 s."""
    weather = (
        Fault(Kind.FORGET, 5.0, 0.0, ("n1", "n2")),
        Fault(Kind.STOP, 14.4, 20.0, ("n1",)),
        Fault(Kind.CUT, 30.0, 0.0, ("n2", "n1")),
        Fault(Kind.CUT, 40.0, 0.0, ("n1", "n2")),
        Fault(Kind.STOP, 39.0, 0.0, ("n3",)),
    )
    assert run_one("chaos", 16, nodes=4, weather=weather).held
