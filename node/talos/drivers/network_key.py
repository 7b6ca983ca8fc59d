"""The key of a closed group: a file that each of its nodes has."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Final

from talos.errors import UsageError

PERSON: Final = b"talos/v1/net-key"  # BLAKE2b's personalization, 16 bytes.
KEY_SIZE: Final = 32  # Bytes.
LEAST: Final = 16  # Bytes of the file: whoever hears a datagram can try keys as fast as it likes.
MOST: Final = 4_096
OTHERS: Final = 0o077  # Who may do what with the file, beside its owner: nothing.
MEND: Final = "Make one with: head -c 32 /dev/urandom | base64 > network.key; chmod 600 network.key"


def read_network_key(path: Path | None) -> bytes:
    """Return BLAKE2b-256 of what the file holds, without white space at its ends; b"" if there is no file to be.

    Raises `UsageError` where it cannot be read, is readable to others, or holds too little to be a key.
    """
    if path is None:
        return b""
    try:
        mode, content = path.stat().st_mode, path.read_bytes()[: MOST + 1].strip()
    except OSError as error:
        raise UsageError(f"cannot read the network key in {path}: {error.strerror}", fix=MEND) from error
    if mode & OTHERS:
        raise UsageError(f"others may read the network key in {path}", fix=f"chmod 600 {path}")
    if not LEAST <= len(content) <= MOST:
        raise UsageError(f"{path} holds {len(content)} bytes, no network key: {LEAST} to {MOST} are", fix=MEND)
    return blake2b(content, digest_size=KEY_SIZE, person=PERSON).digest()
