"""`talos resolve`: from a DID to its keys, and to where it can be dialled."""

from __future__ import annotations

import click

from talos.cli.perform import columns, perform, show
from talos.cli.place import Place, at_a_place
from talos.core.did_document import DidDocument
from talos.core.did_key import DID_KEY_PREFIX, document_of_key


@click.command()
@at_a_place
@click.argument("did")
def resolve(place: Place, did: str) -> None:
    """Show the DID document of an identity: its keys, and where it can be dialled.

    With --json, the document and its metadata, as the W3C has them. A did:key needs no node.
    """

    async def answer() -> None:
        if did.startswith(DID_KEY_PREFIX):
            document = document_of_key(did)
        else:
            async with place.node() as client:
                document = await client.resolve(did)
        if place.as_json:
            show(document.resolution())
        else:
            click.echo(_text(document))

    perform(answer, as_json=place.as_json)


def _text(document: DidDocument) -> str:
    told = document.metadata
    named = {"phase": told.phase, "created": told.created, "updated": told.updated, "version": told.version_id}
    rows = [("did", document.did), *((name, value) for name, value in named.items() if value is not None)]
    if told.controllers is not None:
        rows.append(("revoked by", f"{told.controllers.threshold} of {', '.join(told.controllers.dids)}"))
    for method in document.methods:
        uses = ", ".join(sorted(use.value for use in method.uses))
        until = "" if method.expires is None else f" until {method.expires}"
        rows.append(("key", f"{method.name}  {uses}{until}"))
    for service in document.services:
        for at in service.endpoints:
            rows.append(("dial", at.uri if at.relay is None else f"{at.uri} through the relay {at.relay}"))
    return columns(rows)
