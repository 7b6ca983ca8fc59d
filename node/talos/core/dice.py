"""What a core may not do itself, as the callables it is given."""

from __future__ import annotations

from collections.abc import Callable

Entropy = Callable[[int], bytes]  # entropy(n) returns n unpredictable bytes.
Encapsulate = Callable[[bytes], tuple[bytes, bytes]]  # ML-KEM-1024: public key -> (secret 32, ciphertext 1568).
