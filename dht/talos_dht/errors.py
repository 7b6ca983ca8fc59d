"""What can be wrong, one class for each meaning. A refusal changes nothing."""

from __future__ import annotations


class DhtError(Exception):
    """The root of what this package raises for what others send, or ask."""


class Malformed(DhtError):
    """Bytes that break a rule of the format; names the first field that is wrong."""


class BadStatement(DhtError):
    """A record or provider that is well-formed and not to be believed: forged, expired, or good for too long."""


class KeyLogUnknown(DhtError):
    """Nobody can tell yet: its key log must be fetched by its digest, and then it may be tried again."""


class Outdated(DhtError):
    """A newer one of the same publisher is held already."""


class NoRoom(DhtError):
    """A quota is used up, or the store is full of what goes before it."""
