"""Whom a relay keeps a way to, and the calls that wait for them. Times are ms on the monotonic clock.

A client reserves, over a session, to be called at this relay. A caller names it; the relay draws a token, tells the
client over that session, and joins the caller's stream to the one on which the client shows the token. What passes over
them then is nobody's but theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from talos.core.dice import Entropy
from talos.errors import Refused

LIFE_MS: Final = 3_600_000  # Of a reservation. Renewed after four fifths of it.
RESERVATIONS_MAX: Final = 128  # Half of a node's links: each client keeps one.
PER_HOST_MAX: Final = 8  # Reservations from one IP address, or /64.
CALLS_MAX: Final = 256  # Joined, of all clients: two streams each.
WAITING_MAX: Final = 48  # Not joined yet: a stream each, and a place of the 64 that strangers have to be greeted in.
PER_CLIENT_MAX: Final = 64  # Waiting or joined, of one client: twice what it greets at once through one relay.
PER_CALLER_MAX: Final = 16  # From one host, so that nobody has all of a client's.
CALL_MS: Final = 8_000  # For a client to come: within the caller's 10 s for a greeting.
RATE_BYTES: Final = 1024 * 1024  # Bytes a second of one client, all its calls and both ways together ...
BURST_BYTES: Final = 4 * RATE_BYTES  # ... and so many at once.
TOKEN_SIZE: Final = 16  # Bytes, random: who shows it is who was told.


class NoReservation(Refused):
    """Nobody of that name keeps a link to this relay."""


class RelayFull(Refused):
    """A limit of the relay is reached; its name is in the text."""


@dataclass(frozen=True, slots=True)
class _Client:
    host: bytes
    until_ms: int


@dataclass(frozen=True, slots=True)
class Ring:
    """A call that waits for its client, or has been joined."""

    did: bytes
    home: bytes  # The host of the client.
    caller: bytes  # The host it comes from.
    token: bytes
    until_ms: int


class Reservations:
    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._clients: dict[bytes, _Client] = {}
        self._waiting: dict[bytes, Ring] = {}  # By token, as are ...
        self._joined: dict[bytes, Ring] = {}  # ... these: apart, so that no mere ring ends what somebody has answered.
        # When all bytes of a client are there again: leaky buckets, as in `talos.core.budgets`. Kept until then,
        # whatever becomes of the reservation: else who renews it, or lets it go, would have its burst anew.
        self._full_at_us: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def calls(self) -> int:
        return len(self._waiting) + len(self._joined)

    def reserve(self, did: bytes, host: bytes, now_ms: int) -> int:
        """Return for how many ms from now the client can be called here. Raises `RelayFull`."""
        self._expire(now_ms)
        others = [client for one, client in self._clients.items() if one != did]
        if len(others) >= RESERVATIONS_MAX:
            raise RelayFull(f"{RESERVATIONS_MAX} others have a reservation")
        if sum(client.host == host for client in others) >= PER_HOST_MAX:
            raise RelayFull(f"{PER_HOST_MAX} others have one from the same address")
        self._clients[did] = _Client(host, now_ms + LIFE_MS)
        return LIFE_MS

    def __contains__(self, did: bytes) -> bool:
        return did in self._clients

    def prune(self, is_here: Callable[[bytes], bool]) -> None:
        """Forget those whose link has ended: nobody could tell them of a call."""
        for did in [did for did in self._clients if not is_here(did)]:
            del self._clients[did]

    def ring(self, did: bytes, caller: bytes, now_ms: int) -> tuple[Ring, Ring | None]:
        """Begin a call; return it, and the one that must end for it, if any. Raises `NoReservation` or `RelayFull`.

        Where `WAITING_MAX` wait already, one of them makes way, or this one is refused: see `_room`.
        """
        self._expire(now_ms)
        client = self._clients.get(did)
        if client is None:
            raise NoReservation("whom you want keeps no link to this relay")
        if sum(one.did == did for one in self._all()) >= PER_CLIENT_MAX:
            raise RelayFull(f"{PER_CLIENT_MAX} calls of this client are under way")
        if sum(one.caller == caller for one in self._all()) >= PER_CALLER_MAX:
            raise RelayFull(f"{PER_CALLER_MAX} calls from your address are under way")
        displaced = _room(self._waiting, WAITING_MAX, "wait", client.host)
        ring = Ring(did, client.host, caller, self._entropy(TOKEN_SIZE), now_ms + CALL_MS)
        self._waiting[ring.token] = ring
        return ring, displaced

    def _all(self) -> Iterator[Ring]:
        return chain(self._waiting.values(), self._joined.values())

    def waits(self, token: bytes, now_ms: int) -> Ring:
        """Return the call that waits for whoever was told this token. Raises `NoReservation`."""
        ring = self._waiting.get(token)
        if ring is None or now_ms >= ring.until_ms:
            raise NoReservation("no call waits for this token")
        return ring

    def join(self, ring: Ring) -> Ring | None:
        """Count a call that waited as joined; return the joined one that must end for it, if any.

        Raises `RelayFull`, and then it waits on.
        """
        displaced = _room(self._joined, CALLS_MAX, "are joined", ring.home)
        self._joined[ring.token] = self._waiting.pop(ring.token)
        return displaced

    def over(self, ring: Ring) -> None:
        self._waiting.pop(ring.token, None)
        self._joined.pop(ring.token, None)

    def wait_ms(self, did: bytes, size: int, now_ms: int) -> int:
        """Count bytes that passed for a client; return how many ms to read no more, so that it keeps to its share."""
        now_us = 1_000 * now_ms
        full_at_us = max(self._full_at_us.get(did, 0), now_us) + 1_000_000 * size // RATE_BYTES
        self._full_at_us[did] = full_at_us
        return max(0, (full_at_us - now_us - 1_000_000 * BURST_BYTES // RATE_BYTES) // 1_000)

    def _expire(self, now_ms: int) -> None:
        for did in [did for did, client in self._clients.items() if client.until_ms <= now_ms]:
            del self._clients[did]
        for did in [did for did, full_at_us in self._full_at_us.items() if full_at_us <= 1_000 * now_ms]:
            del self._full_at_us[did]


def _room(calls: dict[bytes, Ring], most: int, how: str, home: bytes) -> Ring | None:
    """Make room for one more call of a client at `home`; return the one that must end for it, if any.

    Where `most` are there, the oldest of the host that has most makes way for a host that has fewer: else a few that
    call each other could keep all others out for ever. By host, not by client: names cost nothing. Raises `RelayFull`
    where this host would have as many then.
    """
    if len(calls) < most:
        return None
    counts = Counter(one.home for one in calls.values())
    greediest, its = counts.most_common(1)[0]
    if counts[home] + 1 >= its:
        raise RelayFull(f"{most} calls {how}, and the address of this client has its share of them")
    oldest = next(one for one in calls.values() if one.home == greediest)
    del calls[oldest.token]
    return oldest
