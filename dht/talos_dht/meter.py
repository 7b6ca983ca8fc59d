"""How much one host, one network, and all together may ask of us: looked at before the work.

A bucket is one number, the time when it will be full again (GCRA, ITU-T I.371), and is forgotten when it is. A place in
the table comes only with work that was granted, so `together` bounds it, however many addresses somebody has.

Anybody can write another's address on a datagram. So whoever has proved its address by a token spends of a meter of its
own, which no forger reaches: `Server` has two.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from talos_dht.contact import Contact, share_of

PERIOD_MS: Final = 60_000
REQUESTS_PER_HOST: Final = 600  # A minute. A lookup asks one node once.
REQUESTS_PER_NET: Final = 1_200  # A minute, of a /24 or /48: who holds that has 65,536 hosts of IPv6.
REQUESTS_TOGETHER: Final = 30_000  # A minute: a twentieth of a processor at most.
PUTS_PER_HOST: Final = 120  # A minute. Each may cost a signature.
PUTS_PER_NET: Final = 240  # A minute.
PUTS_TOGETHER: Final = 3_000  # A minute.


class Meter:
    """So many at once, and as many again in each minute, evenly."""

    __slots__ = ("_full_at", "_host_ms", "_net_ms", "_together_ms", "_until_ms")

    def __init__(self, per_host: int, per_net: int, together: int) -> None:
        self._host_ms = PERIOD_MS // per_host
        self._net_ms = PERIOD_MS // per_net
        self._together_ms = PERIOD_MS // together
        self._full_at: OrderedDict[bytes, int] = OrderedDict()  # Of hosts, 8 or 16 bytes; and of networks, 6 or 15.
        self._until_ms = 0

    def __len__(self) -> int:
        return len(self._full_at)

    def spend(self, source: Contact, now_ms: int) -> bool:
        """Say whether the work may be done, and count it if so."""
        full_at, share, network = self._full_at, share_of(source), source.network
        until_ms = max(self._until_ms, now_ms) + self._together_ms
        host_ms = max(full_at.get(share, now_ms), now_ms) + self._host_ms
        net_ms = now_ms if network is None else max(full_at.get(network, now_ms), now_ms) + self._net_ms
        most_ms = now_ms + PERIOD_MS
        if until_ms > most_ms or host_ms > most_ms or net_ms > most_ms:
            return False
        self._until_ms = until_ms
        full_at[share] = host_ms
        full_at.move_to_end(share)
        if network is not None:
            full_at[network] = net_ms
            full_at.move_to_end(network)
        while full_at[next(iter(full_at))] <= now_ms:
            full_at.popitem(last=False)
        return True
