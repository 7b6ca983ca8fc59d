"""`talos audit`: what this node wrote down, and whether it still stands as it was written. One file per verb."""

from __future__ import annotations

import click

from talos.cli.audit.export import export
from talos.cli.audit.proof import proof
from talos.cli.audit.query import query
from talos.cli.audit.root import root
from talos.cli.audit.show import show_entry
from talos.cli.audit.verify_chain import verify_chain
from talos.cli.audit.verify_proof import verify_proof
from talos.cli.place import Place, at_a_place

__all__ = ["audit"]


@click.group()
@at_a_place
def audit(place: Place) -> None:
    """Ask the audit log, prove what it says, and check that nobody has changed it."""


for verb in (query, show_entry, root, proof, verify_proof, verify_chain, export):
    audit.add_command(verb)
