"""Every way Talos can say no: what happened, why, and what mends it.

Exit codes are part of the public contract: 0 yes; 1 the answer is no; 2 usage or config; 3 no identity
here; 4 node not running or unreachable; 5 refused; 6 queued, not delivered in time; 7 damaged or forged;
8 locked or full; 70 our bug.
"""

from __future__ import annotations

from typing import ClassVar


class TalosError(Exception):
    """`what` says what happened and why; `fix` is a command or setting that mends it, if there is one."""

    exit_code: ClassVar[int] = 70

    def __init__(self, what: str, *, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return self.what if self.fix is None else f"{self.what}. {self.fix}"


class UsageError(TalosError):
    """A setting, flag or argument that makes no sense."""

    exit_code = 2


class NoIdentity(TalosError):
    """The data folder holds no identity yet."""

    exit_code = 3


class NotReachable(TalosError):
    """The node is not running, or a peer cannot be reached."""

    exit_code = 4


class NodeStopped(TalosError):
    """The node behind this client has stopped; `__cause__` is why, if it crashed."""

    exit_code = 4


class Refused(TalosError):
    """A peer, or a rule of ours, said no."""

    exit_code = 5


class DeliveryFailed(TalosError):
    """`send(on_failure="raise")` gave up. The message is void, unless it had arrived unseen."""

    exit_code = 6

    def __init__(self, what: str, *, may_have_arrived: bool, fix: str | None = None) -> None:
        super().__init__(what, fix=fix)
        self.may_have_arrived = may_have_arrived


class Damaged(TalosError):
    """Bytes that do not check: damaged on disk, or forged on the wire."""

    exit_code = 7


class MalformedMessage(Damaged):
    """Bytes that do not decode; names the first field that is wrong."""


class Locked(TalosError):
    """Somebody else holds the data folder."""

    exit_code = 8


class PassphraseNeeded(TalosError):
    """The keystore is sealed, and no passphrase (or a wrong one) was given."""

    exit_code = 8


class StoreFailed(TalosError):
    """The store could not commit; nothing was written."""

    exit_code = 8


class StoreFull(StoreFailed):
    """The store, or the disk below it, is full; nothing was written."""


class QueueFull(TalosError):
    """As many messages wait undelivered as `queue_limit` allows; nothing was queued."""

    exit_code = 8


def sole_cause(error: Exception) -> Exception:
    """Return the one error inside nested groups of one, as nurseries wrap it; a larger group as it is."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
