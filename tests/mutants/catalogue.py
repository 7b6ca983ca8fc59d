"""All mutants, by what they break."""

from __future__ import annotations

from typing import Final

from tests.mutants import ratchet
from tests.mutants.mutant import Mutant

MUTANTS: Final[tuple[Mutant, ...]] = (*ratchet.MUTANTS,)
