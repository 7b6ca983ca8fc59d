"""`talos init`: a new identity in an empty folder."""

from __future__ import annotations

import os
from pathlib import Path

import click

from talos.cli.passphrase import ask_passphrase, find_passphrase, read_passphrase
from talos.cli.perform import perform, require_stdout, show
from talos.cli.place import Place, at_a_place
from talos.cli.settings_file import default_text
from talos.config import SETTINGS_FILE, load, read_settings
from talos.core.names import did_of, peer_id_of
from talos.drivers.control_socket import control_path
from talos.drivers.data_folder import Created, finish_replace
from talos.drivers.files import atomic_write, make_folder
from talos.errors import StoreFailed, UsageError
from talos.host import Address
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
        require_stdout()
        control_path(place.folder)  # A folder whose node could not open its socket is refused before it exists.
        if no_passphrase and passphrase_file is not None:
            raise UsageError("--no-passphrase and --passphrase-file contradict each other", fix="Give one of them")
        finish_replace(place.folder)  # Before the settings: it brings them.
        config = place.config(listen=listen or None)
        is_written = bool(read_settings(place.folder))
        folder = data_folder(config)
        # What is refused is refused before somebody has typed for it, and before anything is touched.
        folder.require_room(new_identity=new_identity)
        if is_written and listen:
            _require_same(place.folder, config.listen)
        passphrase = None if no_passphrase else find_passphrase(passphrase_file, os.environ)
        if passphrase is None and not no_passphrase:
            passphrase = ask_passphrase(is_new=True)
        root_passphrase = None if root_passphrase_file is None else read_passphrase(root_passphrase_file)
        if new_identity and folder.has_identity():
            click.echo(f"the old identity is in {folder.replace(keep=(SETTINGS_FILE,))}", err=True)
        # The settings first: whatever happens after the identity is made, its seed must have been shown.
        if not is_written:
            make_folder(place.folder)
            atomic_write(place.folder / SETTINGS_FILE, default_text(name=config.name, listen=config.listen).encode())
        _report(place, create_identity(config, passphrase, root_passphrase=root_passphrase))

    perform(create, as_json=place.as_json)


def _require_same(folder: Path, listen: tuple[Address, ...]) -> None:
    """Raises `UsageError` where the settings that are there say another: they are the user's, and stay as they are."""
    if load(folder, {}, {}).listen != listen:
        file = folder / SETTINGS_FILE
        raise UsageError(
            f"{file} is there already, and says to listen elsewhere",
            fix=f"Set listen in {file} to what you want, and say it without --listen",
        )


def _report(place: Place, created: Created) -> None:
    try:
        _show(place, created)
    except OSError as error:
        raise StoreFailed(
            f"the identity was made, and its recovery seed could not be shown: {error.strerror}",
            fix=f"talos init --new-identity --data-dir {place.folder}",
        ) from error


def _show(place: Place, created: Created) -> None:
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
