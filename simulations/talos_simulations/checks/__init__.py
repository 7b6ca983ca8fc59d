"""What must hold in every run, each by its name."""

from __future__ import annotations

from typing import Final

from talos_simulations.check import Check
from talos_simulations.checks.beliefs import NoLieBelieved
from talos_simulations.checks.delays import InTime, LanesInOrder
from talos_simulations.checks.log import LogOnlyGrows, LogTellsAll
from talos_simulations.checks.messages import (
    ComesToRest,
    DeliveredIsThere,
    InOrder,
    NothingInvented,
    NothingLost,
    NothingTwice,
    RepeatsAreTold,
)
from talos_simulations.checks.nodes import NoCrash, NoKeyReused, WithinBounds

ALL: Final[tuple[type[Check], ...]] = (
    NothingLost,
    NothingTwice,
    NothingInvented,
    InOrder,
    DeliveredIsThere,
    RepeatsAreTold,
    ComesToRest,
    InTime,
    LanesInOrder,
    LogOnlyGrows,
    LogTellsAll,
    NoKeyReused,
    NoLieBelieved,
    WithinBounds,
    NoCrash,
)

__all__ = [
    "ALL",
    "ComesToRest",
    "DeliveredIsThere",
    "InOrder",
    "InTime",
    "LanesInOrder",
    "LogOnlyGrows",
    "LogTellsAll",
    "NoCrash",
    "NoKeyReused",
    "NoLieBelieved",
    "NothingInvented",
    "NothingLost",
    "NothingTwice",
    "RepeatsAreTold",
    "WithinBounds",
]
