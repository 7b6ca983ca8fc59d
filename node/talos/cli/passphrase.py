"""Where the keystore's passphrase comes from. First found wins:

--passphrase-file, TALOS_PASSPHRASE_FILE, TALOS_PASSPHRASE, the systemd credential `talos-passphrase`, and a
question on the terminal. A file's last newline is not part of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from talos.drivers.files import is_there
from talos.errors import PassphraseNeeded, UsageError

CREDENTIAL: Final = "talos-passphrase"
FILE_SIZE_MAX: Final = 4_096  # Bytes: more is the wrong file.
FIX: Final = "Give --passphrase-file, TALOS_PASSPHRASE_FILE or TALOS_PASSPHRASE, or run it on a terminal"


def find_passphrase(file: Path | None, environment: Mapping[str, str]) -> str | None:
    """Return the passphrase that somebody has put somewhere; None if nobody has. Raises `UsageError`."""
    if file is not None:
        return read_passphrase(file)
    if environment.get("TALOS_PASSPHRASE_FILE"):
        return read_passphrase(Path(environment["TALOS_PASSPHRASE_FILE"]))
    if "TALOS_PASSPHRASE" in environment:
        return _text(os.fsencode(environment["TALOS_PASSPHRASE"]), "TALOS_PASSPHRASE")
    if environment.get("CREDENTIALS_DIRECTORY"):  # systemd.exec(5), "Credentials".
        credential = Path(environment["CREDENTIALS_DIRECTORY"], CREDENTIAL)
        return read_passphrase(credential) if is_there(credential, fix=FIX) else None
    return None


def ask_passphrase(*, is_new: bool) -> str:
    """Ask on the terminal, twice if it `is_new`. Raises `PassphraseNeeded` where there is nobody to ask."""
    if not sys.stdin.isatty():
        fix = f"{FIX}; or say --no-passphrase, and the keys lie open to whoever reads the disk" if is_new else FIX
        raise PassphraseNeeded("there is no passphrase, and no terminal to ask for one", fix=fix)
    answer: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=is_new, err=True)
    return answer


def read_passphrase(file: Path) -> str:
    """Return the passphrase in a file. Raises `UsageError`."""
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_SIZE_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read the passphrase in {file}: {error.strerror}", fix=FIX) from error
    if len(content) > FILE_SIZE_MAX:
        raise UsageError(f"{file} is longer than any passphrase: over {FILE_SIZE_MAX} bytes", fix=FIX)
    return _text(content.removesuffix(b"\n").removesuffix(b"\r"), str(file))


def _text(passphrase: bytes, where: str) -> str:
    if not passphrase:
        raise UsageError(f"the passphrase in {where} is empty", fix="Say --no-passphrase if that is what you want")
    try:
        return passphrase.decode()
    except UnicodeDecodeError:
        raise UsageError(f"the passphrase in {where} is no UTF-8 text", fix=FIX) from None
