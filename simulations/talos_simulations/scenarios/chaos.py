"""All that can befall a node but clones and old snapshots, mixed anew for each seed; then all must be well."""

from talos_simulations.climate import swarm
from talos_simulations.story import Story

STORY = Story(swarm)
