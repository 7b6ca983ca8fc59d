"""ML-KEM-1024 encapsulation (FIPS 203, section 7.2), which rolls its own dice and so comes in as a value."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey, MLKEM1024PublicKey

from talos.errors import MalformedMessage, TalosError

SEED_SIZE = 64  # Bytes: d and z of FIPS 203, section 7.1.


def encapsulate(public_key: bytes) -> tuple[bytes, bytes]:
    """Return a shared secret (32 bytes) and the ciphertext (1,568 bytes) that carries it.

    Raises `MalformedMessage` unless `public_key` is an ML-KEM-1024 public key (1,568 bytes).
    """
    try:
        key = MLKEM1024PublicKey.from_public_bytes(public_key)
    except ValueError as error:
        raise MalformedMessage("these bytes are no ML-KEM-1024 public key") from error
    return key.encapsulate()


def require_kem() -> None:
    """Raises `TalosError` if the `cryptography` that is installed was built without ML-KEM-1024."""
    try:
        MLKEM1024PrivateKey.from_seed_bytes(bytes(SEED_SIZE))
    except UnsupportedAlgorithm as error:
        raise TalosError(
            "the installed `cryptography` has no ML-KEM-1024, which every session needs",
            fix="Install its own wheel: pip install --force-reinstall --only-binary :all: 'cryptography>=48'",
        ) from error
