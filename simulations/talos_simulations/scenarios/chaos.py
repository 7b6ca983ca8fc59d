"""Everything but clones and old snapshots, in a mixture of its own for each seed; then all is well, and must be."""

from talos_simulations.climate import swarm
from talos_simulations.story import Story

STORY = Story(swarm)
