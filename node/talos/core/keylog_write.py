"""Writing key-log events: pure functions from a log, what to say, the time and a signer to an event.

What comes back is well-formed, not yet true: `KeyLog.extended` or `verify` decides.
"""

from __future__ import annotations

from collections.abc import Mapping

from talos.core import codec, names
from talos.core.keylog import KeyLog
from talos.core.keylog_event import Content, Event, body_of, read_body
from talos.core.keylog_keys import Sign
from talos.core.keylog_kinds import Signature
from talos.core.keylog_rank1 import Inception, Revocation


def incept(content: Inception, *, now_ms: int, sign: Sign) -> Event:
    """Return the first event of a new identity. `sign` holds the key that `content` shows."""
    return _signed(body_of(content, seq=0, previous=b"", time_ms=now_ms), sign)


def write(log: KeyLog, content: Content, *, now_ms: int, sign: Sign) -> Event:
    """Return the next event of `log`. `sign` holds the key that `content` shows; for rank 2, the current key."""
    return _signed(_next_body(log, content, now_ms), sign)


def write_as_controllers(log: KeyLog, reason: str, *, now_ms: int, signs: Mapping[bytes, Sign]) -> Event:
    """Return a revocation of `log` by controllers: DID hash -> what signs with that identity's current key."""
    body = _next_body(log, Revocation(b"", reason), now_ms)
    message = codec.signed(names.LABEL_EVENT, body)
    return read_body(body, tuple(Signature(did, sign(message)) for did, sign in sorted(signs.items())))


def _signed(body: bytes, sign: Sign) -> Event:
    return read_body(body, (Signature(b"", sign(codec.signed(names.LABEL_EVENT, body))),))


def _next_body(log: KeyLog, content: Content, now_ms: int) -> bytes:
    # A clock that was set back must not make the log unwritable.
    time_ms = max(now_ms, log.state.time_ms)
    return body_of(content, seq=log.state.seq + 1, previous=log.state.digest, time_ms=time_ms)
