"""Every way the ratchet can say no. None of them has changed anything when it is raised.

The texts are for logs of our own; nothing of them belongs in an answer to a peer.
"""

from __future__ import annotations


class RatchetError(Exception):
    """Base of all errors of this package."""


class Malformed(RatchetError):
    """Bytes that break a layout, a limit, or the rules for keys; names the first bad field."""


class Forged(RatchetError):
    """Bytes that no key of ours authenticates: forged, damaged, or for somebody else."""


class Duplicate(RatchetError):
    """An authentic frame whose key is gone: it was taken before, or its key expired unread."""


class TooFarAhead(RatchetError):
    """An authentic header asks for more skipped keys than we are willing to derive or keep."""


class Expired(RatchetError):
    """A bundle, an offer or a late message's key is past its time."""


class OutOfTurn(RatchetError):
    """Not now: the lane is not open, nothing may be sent on it yet, or another frame was taken first."""


class UnknownPrekey(RatchetError):
    """An opening names a prekey that we do not hold (any more)."""


class UnknownSession(RatchetError):
    """No session of this id is in the set."""


class Exhausted(RatchetError):
    """A counter has reached its end; only a new session helps."""
