"""`talos init`: a new identity in an empty folder."""

from __future__ import annotations

import os
from pathlib import Path

import click

from talos.cli.passphrase import ask_passphrase, find_passphrase, read_passphrase
from talos.cli.perform import perform, show
from talos.cli.place import Place, at_a_place
from talos.cli.settings_file import default_text
from talos.config import SETTINGS_FILE, read_settings
from talos.core.names import did_of, peer_id_of
from talos.drivers.control_socket import control_path
from talos.drivers.data_folder import Created
from talos.drivers.files import atomic_write
from talos.errors import UsageError
from talos.runtime import create_identity, data_folder


@click.command()
@at_a_place
@click.option("--listen", multiple=True, metavar="HOST:PORT", help="Where the node will listen; may be repeated.")
@click.option("--new-identity", is_flag=True, help="Move an identity that is there aside, and make another.")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="Whose content seals the keys.")
@click.option("--root-passphrase-file", type=click.Path(path_type=Path), help="Whose content seals the recovery seed.")
@click.option("--no-passphrase", is_flag=True, help="Seal nothing: whoever reads the folder is this node.")
def init(
    place: Place,
    listen: tuple[str, ...],
    new_identity: bool,
    passphrase_file: Path | None,
    root_passphrase_file: Path | None,
    no_passphrase: bool,
) -> None:
    """Make an identity and its folder. The recovery seed is shown this once."""

    async def create() -> None:
        control_path(place.folder)  # A folder whose node could not open its socket is refused before it exists.
        if no_passphrase and passphrase_file is not None:
            raise UsageError("--no-passphrase and --passphrase-file contradict each other", fix="Give one of them")
        config = place.config(listen=listen or None)
        old_settings = read_settings(place.folder)
        old = data_folder(config)
        passphrase = None
        # An identity that may not be replaced is refused below; nobody should have to type for that.
        if not no_passphrase and (new_identity or not old.keystore.exists()):
            passphrase = find_passphrase(passphrase_file, os.environ) or ask_passphrase(is_new=True)
        root_passphrase = None if root_passphrase_file is None else read_passphrase(root_passphrase_file)
        if new_identity and old.keystore.exists():
            _require_free(config.root_file)
            click.echo(f"the old identity is in {old.replace()}", err=True)
        created = create_identity(config, passphrase, root_passphrase=root_passphrase)
        settings = default_text(name=config.name, listen=config.listen) if listen or not old_settings else old_settings
        atomic_write(place.folder / SETTINGS_FILE, settings.encode())
        _report(place, created)

    perform(create, as_json=place.as_json)


def _require_free(root_file: Path | None) -> None:
    """The seed of the old identity is not in the folder that is moved aside, and must not be lost either."""
    if root_file is not None and root_file.exists():
        raise UsageError(f"{root_file} holds the recovery seed of the old identity", fix=f"Move {root_file} elsewhere")


def _report(place: Place, created: Created) -> None:
    seed = created.recovery_seed.hex()
    if place.as_json:
        peer_id = peer_id_of(created.did)
        show({"did": did_of(created.did), "peer_id": peer_id, "folder": str(place.folder), "recovery_seed": seed})
        return
    click.echo(did_of(created.did))
    click.echo(f"folder: {place.folder}")
    click.echo(f"recovery seed: {seed}")
    click.echo("Write the recovery seed down and keep it off this machine: it is not shown again, and it is", err=True)
    click.echo("what brings this identity back when the folder is lost.", err=True)
