"""Measure the ratchet beside two others: `scripts/bench ratchet`.

Thread CPU time, rounds of all contenders interleaved, medians: so what slows the machine slows all alike, and the
ratios hold where the microseconds do not.
"""

from __future__ import annotations

import gc
import sys
from statistics import median
from time import thread_time  # noqa: TID251 - A benchmark measures the real thing.
from typing import Final

from scripts.bench_ratchet_peers import LANE, NOW_MS, Syndace, Talos, Vodozemac, Work, disagreements
from talos_ratchet import Forged

ROUNDS: Final = 15
# What is done, how often per round, how many messages that is each time, and the ratios aimed at over vodozemac
# and DoubleRatchet. OpenSSL's calls alone, nothing around them, take about four fifths of a message.
OPERATIONS: Final = (
    ("in_order", "1 KiB in order: seal, open, take", 1_000, 1, (1.6, 7.0)),
    ("ping_pong", "1 KiB ping-pong, per message", 60, 2, (0.95, 2.2)),
    ("handshake", "handshake and first message", 20, 1, (0.4, 1.6)),
)


def cpu_us(work: Work, times: int) -> float:
    """Return microseconds of this thread per call."""
    begun = thread_time()
    for _ in range(times):
        work()
    return (thread_time() - begun) / times * 1e6


def refusal(talos: Talos) -> Work:
    """Return the work of refusing a frame that fits no key."""
    garbage = bytes([0x10 + LANE]) + bytes(200)

    def refuse() -> None:
        try:
            talos.b.open(LANE, garbage, now_ms=NOW_MS)
        except Forged:
            return
        raise AssertionError("garbage was opened")

    return refuse


def table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join((row[0].ljust(widths[0]), *cells)))
    return "\n".join(lines) + "\n"


def main() -> int:
    for name in disagreements():
        sys.stdout.write(f"not the same bytes: {name}\n")
        return 1
    talos = Talos()
    contenders = (talos, Vodozemac(), Syndace())
    garbage = refusal(talos)
    fresh_refusal = cpu_us(garbage, 2_000)
    measured: dict[tuple[str, str], list[float]] = {}
    gc.disable()  # Its pauses would fall on whoever is next.
    for _ in range(ROUNDS):
        for operation, _, times, messages, _ in OPERATIONS:
            for contender in contenders:
                us = cpu_us(getattr(contender, operation), times) / messages
                measured.setdefault((operation, contender.name), []).append(us)
        gc.collect()
    ours, *others = (contender.name for contender in contenders)
    rows = [("CPU us, median", ours, *others, *(f"over {other} (goal)" for other in others))]
    for operation, title, _, _, goals in OPERATIONS:
        medians = {name: median(measured[operation, name]) for name in (ours, *others)}
        ratios = (f"{medians[other] / medians[ours]:.2f} ({goal})" for other, goal in zip(others, goals, strict=True))
        rows.append((title, *(f"{value:.1f}" for value in medians.values()), *ratios))
    sys.stdout.write(table(rows))
    sys.stdout.write(f"\ngarbage refused in {fresh_refusal:.1f} us, and with five old chains remembered ")
    sys.stdout.write(f"in {cpu_us(garbage, 2_000):.1f} us\nchain, root and handshake derive the same bytes as theirs\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
