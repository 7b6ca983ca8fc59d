"""What a source may ask of us in a time, before we know who it is: asked before each kind of costly work.

A bucket is one number: when it will be full again (GCRA, the leaky bucket as a meter, ITU-T I.371). Each work has a
bucket for the source's host, for its network, and two for the whole node: one that strangers share, one for hosts that
peers of ours have come from, so that a flood from elsewhere does not starve those.

Memory is bounded without forgetting anybody too soon: a bucket is forgotten when it is full again, for then it says
nothing, and a place comes only with work that was granted. In one period the node grants at most twice what its own
buckets hold, so that is the most there can be. An attacker with many addresses gains nothing by using them all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from talos.errors import Refused

MINUTE_MS: Final = 60_000
OFFER_PERIOD_MS: Final = 600_000  # As long as an offer holds its place in the pool.
FAMILIAR_MAX: Final = 1_024  # Hosts that peers have come from: four times the links of a node. The oldest go first.
SOURCES_MAX: Final = 4_096  # Hosts kept as they were read.


class OverBudget(Refused):
    """Somebody has asked for more than its budget allows now."""


class Work(Enum):
    """What costs us something, in the order in which a greeting asks for it."""

    LINK = auto()  # A stream taken: a task, a reader, perhaps a card shown.
    HELLO = auto()  # One X25519 agreement (55 us), and perhaps one signature.
    RESUME = auto()  # A frame opened on a session that the HELLO names, and a commit.
    OFFER = auto()  # A place in the pool of one-time prekeys, and making one (220 us).
    KEY_LOG = auto()  # Every signature of a key log verified: 8 KiB hold about fifty, 5 ms.
    DATAGRAM = auto()  # A box opened, 36 us: the first of its sender, or after long.
    BEACON = auto()  # A beacon decoded, 20 us, and perhaps one signature.
    CALL = auto()  # To a relay: two streams, and a share of what its client takes from all who call it.
    ACCEPT = auto()  # Four agreements, one decapsulation, rows on disk.


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and after that so many in each period, evenly. Each must divide the period into whole ms."""

    host: int
    net: int
    strangers: int  # All strangers together.
    familiar: int  # All hosts together that peers have come from.
    period_ms: int = MINUTE_MS

    @property
    def places(self) -> int:
        """What a table can come to hold: the grants of one period, whoever they were for."""
        return 2 * (self.strangers + self.familiar)


RATES: Final[Mapping[Work, Rate]] = {
    Work.LINK: Rate(host=80, net=160, strangers=4_000, familiar=1_000),
    Work.HELLO: Rate(host=60, net=120, strangers=3_000, familiar=600),
    Work.RESUME: Rate(host=30, net=60, strangers=1_500, familiar=300),
    Work.OFFER: Rate(host=8, net=16, strangers=200, familiar=50, period_ms=OFFER_PERIOD_MS),
    Work.KEY_LOG: Rate(host=24, net=40, strangers=600, familiar=120),
    Work.DATAGRAM: Rate(host=250, net=500, strangers=10_000, familiar=5_000, period_ms=10_000),
    Work.BEACON: Rate(host=120, net=240, strangers=3_000, familiar=600),
    Work.CALL: Rate(host=10, net=15, strangers=3_000, familiar=600),
    Work.ACCEPT: Rate(host=20, net=40, strangers=600, familiar=120),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a stream comes from. Who holds one address holds a /64 of IPv6, and a site its /48."""

    host: bytes  # An IPv4 address, or the /64 of an IPv6 one.
    net: bytes  # Its /24 or /48.


@lru_cache(maxsize=SOURCES_MAX)  # Each datagram has one, and most are of few.
def source_of(host: str) -> Source:
    """Return the source of an IP address; what is none (a test's, a unix name) is a host and a network of its own."""
    try:
        address = ip_address(host)
    except ValueError:
        return Source(host.encode(), host.encode())
    if isinstance(address, IPv6Address):
        # A socket for both families shows IPv4 as ::ffff:a.b.c.d, which are not all one network.
        if address.ipv4_mapped is None:
            return Source(address.packed[:8], address.packed[:6])
        address = address.ipv4_mapped
    return Source(address.packed, address.packed[:3])


@lru_cache(maxsize=SOURCES_MAX)
def datagram_source_of(host: str, port: int) -> Source:
    """Return the source of a datagram: on this machine itself each port counts as a host, for each is a program."""
    source = source_of(host)
    if host.startswith("127.") or host == "::1":
        port_of = source.host + port.to_bytes(2, "big")
        return Source(port_of, port_of)
    return source


def beacon_source_of(host: str, port: int) -> Source:
    """Return the source of a beacon: all come from our own network, where each address is a host, and a network too."""
    own = datagram_source_of(host, port).host if "." in host else ip_address(host).packed
    return Source(own, own)


class _Buckets:
    """One bucket for each of many sources: when it is full again, least recently used first."""

    __slots__ = ("_full_at", "_interval_ms", "_slack_ms")

    def __init__(self, most: int, period_ms: int) -> None:
        self._interval_ms = period_ms // most
        self._slack_ms = period_ms - self._interval_ms
        self._full_at: OrderedDict[bytes, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def after_one_more(self, source: bytes, now_ms: int) -> int | None:
        """Return when it will be full again if one more is granted; None if there is none left."""
        full_at = self._full_at.get(source, now_ms)
        if full_at <= now_ms:
            return now_ms + self._interval_ms
        return full_at + self._interval_ms if full_at <= now_ms + self._slack_ms else None

    def grant(self, source: bytes, until_ms: int, now_ms: int) -> None:
        """Take note of what `after_one_more` returned."""
        full_at = self._full_at
        full_at[source] = until_ms
        full_at.move_to_end(source)
        # Whoever was granted nothing for a period is full, and stands first: `Rate.places` is all there can be.
        while full_at[next(iter(full_at))] <= now_ms:
            full_at.popitem(last=False)


class _Shares:
    """Who may have how much of one work."""

    __slots__ = ("familiar", "hosts", "nets", "strangers")

    def __init__(self, rate: Rate) -> None:
        self.hosts = _Buckets(rate.host, rate.period_ms)
        self.nets = _Buckets(rate.net, rate.period_ms)
        self.strangers = _Buckets(rate.strangers, rate.period_ms)
        self.familiar = _Buckets(rate.familiar, rate.period_ms)


class Budgets:
    """All buckets of a node. Times are ms on the monotonic clock."""

    __slots__ = ("_familiar", "_shares", "refused")

    def __init__(self, rates: Mapping[Work, Rate] = RATES) -> None:
        self._shares = {work: _Shares(rate) for work, rate in rates.items()}
        self._familiar: OrderedDict[bytes, None] = OrderedDict()
        self.refused = 0  # Since the node started.

    def spend(self, work: Work, source: Source, now_ms: int) -> bool:
        """Say whether the work may be done, and count it if so. A refusal costs nobody anything, and no memory."""
        shares = self._shares[work]
        together = shares.familiar if source.host in self._familiar else shares.strangers
        all_ms = together.after_one_more(b"", now_ms)
        net_ms = shares.nets.after_one_more(source.net, now_ms)
        host_ms = shares.hosts.after_one_more(source.host, now_ms)
        if all_ms is None or net_ms is None or host_ms is None:
            self.refused += 1
            return False
        together.grant(b"", all_ms, now_ms)
        shares.nets.grant(source.net, net_ms, now_ms)
        shares.hosts.grant(source.host, host_ms, now_ms)
        return True

    def is_familiar(self, source: Source) -> bool:
        return source.host in self._familiar

    def befriend(self, source: Source) -> None:
        """A peer of ours has come from there, or is said to be there: strangers elsewhere cannot starve that host."""
        self._familiar[source.host] = None
        self._familiar.move_to_end(source.host)
        if len(self._familiar) > FAMILIAR_MAX:
            self._familiar.popitem(last=False)

    @property
    def remembered(self) -> int:
        """Sources of which something is remembered, each counted once for every work."""
        return sum(len(shares.hosts) + len(shares.nets) for shares in self._shares.values())
