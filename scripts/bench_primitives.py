"""What one message costs at the least: the same cryptography, rows and steps, with nothing of ours around them.

Counted for a message of 1 KiB between two nodes that send by turns, from `send` to the receipt: two ratchet frames are
sealed and opened, each lane turns; four entries of the audit log, the rows of four commits and of a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from time import process_time  # noqa: TID251 - A benchmark measures the real thing.
from typing import Final

import trio
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.signing import SigningKey

from talos.core.step import Put
from talos.drivers.memory_store import MemoryStore
from talos_ratchet import SUITE_1
from talos_ratchet.suite import public_of

ROUNDS: Final = 2_000
BEST_OF: Final = 5
BODY: Final = 1_024  # Bytes: of a message ...
ROW: Final = 360  # ... and of a row of a lane.
TABLE: Final = "rows"
STEPS: Final = 26  # Of the scheduler: each task that has something to wait for, waits.
COMMITS: Final = 5
ROWS: Final = 6  # In each of them.


def per_message() -> list[tuple[str, float, Callable[[], object]]]:
    """Return name, times a message, and what is done."""
    key, nonce, ad = bytes(range(32)), bytes(12), bytes(33)
    point, body, row = public_of(key), bytes(BODY), bytes(ROW)
    gcm, chacha, signing = AESGCM(key), SUITE_1.seal_aead(key), SigningKey(key)
    trials = [(key, ad)]
    sealed_body, sealed_header = chacha.encrypt(nonce, body, ad), chacha.encrypt(nonce, bytes(51), ad)
    return [
        ("X25519, of a turn", 2.5, lambda: SUITE_1.agree(key, point)),
        ("X25519, of a key pair", 1.25, lambda: public_of(key)),
        ("HKDF", 2.5, lambda: HKDF(SHA256(), 96, key, ad).derive(key)),
        ("a step of a chain", 4, lambda: SUITE_1.step(key)),
        ("seal a body", 2, lambda: SUITE_1.seal_aead(key).encrypt(nonce, body, ad)),
        ("open a body", 2, lambda: SUITE_1.open_aead(key).decrypt(nonce, sealed_body, ad)),
        ("seal a header", 2, lambda: chacha.encrypt(nonce, bytes(51), ad)),
        ("open a header", 2, lambda: SUITE_1.open_header(trials, nonce, sealed_header)),
        ("seal a row", 12, lambda: gcm.encrypt(nonce, row, ad)),
        ("SHA-256", 24, lambda: sha256(ad).digest()),
        ("Ed25519", 1, lambda: signing.sign(row)),
    ]


def commit_cost() -> float:
    """Return the seconds of one commit."""
    store, value, count = MemoryStore((TABLE,)), bytes(ROW), 0

    def commit() -> None:
        nonlocal count
        count += 1
        store.commit([Put(TABLE, (count * ROWS + at).to_bytes(8, "big"), value) for at in range(ROWS)])

    return _cost(commit)


def step_cost() -> float:
    """Return the seconds of one step of trio's scheduler: two tasks that do nothing, by turns."""

    async def walk() -> None:
        for _ in range(ROUNDS):
            await trio.lowlevel.checkpoint()

    async def both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(walk)
            nursery.start_soon(walk)

    return _cost(lambda: trio.run(both), 1) / (2 * ROUNDS)


def floor_us() -> float:
    """Return microseconds of processor time of the bare primitives of one message."""
    crypto = sum(times * _cost(work) for _, times, work in per_message())
    return 1e6 * (crypto + COMMITS * commit_cost() + STEPS * step_cost())


def _cost(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    best = float("inf")
    for _ in range(BEST_OF):
        began = process_time()
        for _ in range(rounds):
            work()
        best = min(best, process_time() - began)
    return best / rounds
