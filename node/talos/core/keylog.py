"""A key log: every key an identity ever had, provable from its name alone, with no server and no chain.

    the DID        is the hash of the first event;
    rank 1         each event shows the key that the one before promised, and promises the next, so a thief
                   of today's key cannot rotate;
    rank 2         instance certificates, signed by the current key, overridden by rank 1;
    bytes          [1, [event, ...], [[event, ...], ...]]: the line that holds, and rivals while a fork is open.

The format is in docs/protocol/keylog.md, the rules are in keylog_rules.py, forks in keylog_fork.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from talos.core import codec, names
from talos.core.keylog_event import Content, Event, body_of, read_body
from talos.core.keylog_fork import Line, Outcome, outcome_of
from talos.core.keylog_keys import Sign
from talos.core.keylog_kinds import RIVALS_MAX, BrokenKeyLog, Signature
from talos.core.keylog_rank1 import Inception, Revocation
from talos.core.keylog_rank2 import Instance, InstanceRetired, Suspended
from talos.core.keylog_rules import ControllerKey, apply, follow, nobody_known
from talos.core.keylog_state import Certified, Fate, Move, Standing, State
from talos.errors import MalformedMessage

VERSION: Final = 1
KEY_LOG_SIZE_MAX: Final = 8 * 1024  # Bytes, encoded, of a log without an open fork.
FORKED_SIZE_MAX: Final = (1 + RIVALS_MAX) * KEY_LOG_SIZE_MAX  # Bytes; evidence, which is rare, may be larger.
EVENTS_MAX: Final = 64  # Per line; the smallest event has 150 bytes, so the size is reached before.


@dataclass(frozen=True, slots=True)
class KeyLog:
    """Verified, so whoever holds one may trust it. Build it with `verify`, `decode_and_verify` or `merge`."""

    events: Line  # The line that holds, from the inception.
    rivals: tuple[Line, ...]  # What may come behind it, while a fork is open.
    state: State

    def encode(self) -> bytes:
        return codec.pack(VERSION, _fields(self.events), [_fields(line) for line in self.rivals])

    @classmethod
    def decode_and_verify(cls, raw: bytes, controller_key: ControllerKey = nobody_known) -> KeyLog:
        """Raises `MalformedMessage`, `BrokenKeyLog`, or `ControllerUnknown`."""
        version, events, rivals = codec.array(raw, length=3, size_max=FORKED_SIZE_MAX, field="key log")
        codec.integer(version, least=VERSION, most=VERSION, field="version")
        if rivals == [] and len(raw) > KEY_LOG_SIZE_MAX:
            raise MalformedMessage(f"key log: {len(raw)} bytes, at most {KEY_LOG_SIZE_MAX} are allowed")
        line = _read_line(events, field="events")
        state = _followed(None, line, controller_key)
        lines = [line]
        for rival in codec.listing(rivals, most=RIVALS_MAX, field="rivals"):
            read = _read_line(rival, field="rival")
            _followed(state, read, controller_key)
            lines.append(line + read)
        # What one line comes to is itself; so say the rules for lines that differ, at twice the cost.
        log = _log_of(lines) if len(lines) > 1 else KeyLog(line, (), state)
        if log.encode() != raw:
            raise BrokenKeyLog("the rivals are not what is left open of all events")
        return log

    def extended(self, event: Event, controller_key: ControllerKey = nobody_known) -> KeyLog:
        """Return the log after `event`, which comes behind `events`; an open fork may be settled by it.

        Raises `BrokenKeyLog` or `ControllerUnknown`.
        """
        if self.rivals:  # The line alone does not know that it is frozen, or what is disputed.
            apply(self.state, event)
        follow(_replayed(self.events), event, controller_key)
        return _log_of([*_lines(self), (*self.events, event)])

    def key_at(self, seq: int, digest: bytes) -> bytes | None:
        """Return the key that was current after this event, or None if it is not on the log.

        Events of rank-2 rivals count: they dispute instances, not keys.
        """
        if not self.rivals and (seq, digest) == (self.state.seq, self.state.digest):
            return self.state.key
        for line in _lines(self):
            if seq < len(line) and line[seq].digest == digest:
                return _replayed(line[: seq + 1]).key
        return None


def verify(events: Sequence[Event], controller_key: ControllerKey = nobody_known) -> KeyLog:
    """Check every link and signature of one line. Raises `BrokenKeyLog` or `ControllerUnknown`."""
    line = tuple(events)
    return KeyLog(line, (), _followed(None, line, controller_key))


def merge(one: KeyLog, other: KeyLog) -> KeyLog:
    """Return what both logs of one identity come to; the order does not matter. Raises `BrokenKeyLog`."""
    if one.state.did != other.state.did:
        raise BrokenKeyLog("these are the key logs of two identities")
    return _log_of([*_lines(one), *_lines(other)])


def incept(content: Inception, *, now_ms: int, sign: Sign) -> Event:
    """Return the first event of a new identity. `sign` holds the key that `content` shows."""
    return _signed(body_of(content, seq=0, previous=b"", time_ms=now_ms), sign)


def write(log: KeyLog, content: Content, *, now_ms: int, sign: Sign) -> Event:
    """Return the next event of `log`. `sign` holds the key that `content` shows; for rank 2, the current key.

    It is well-formed, not yet true: `KeyLog.extended` decides.
    """
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


def _fields(line: Line) -> list[codec.Field]:
    return [event.fields() for event in line]


def _read_line(value: object, *, field: str) -> Line:
    return tuple(Event.of(one) for one in codec.listing(value, least=1, most=EVENTS_MAX, field=field))


def _followed(state: State | None, line: Iterable[Event], controller_key: ControllerKey) -> State:
    for event in line:
        state = follow(state, event, controller_key)
    if state is None:
        raise BrokenKeyLog("a key log has at least its inception")
    return state


def _replayed(line: Iterable[Event]) -> State:
    state: State | None = None
    for event in line:
        state = apply(state, event)
    if state is None:
        raise BrokenKeyLog("a key log has at least its inception")
    return state


def _lines(log: KeyLog) -> list[Line]:
    return [log.events + rival for rival in log.rivals] or [log.events]


def _log_of(lines: Iterable[Line]) -> KeyLog:
    outcome = outcome_of(lines)
    return KeyLog(outcome.line, outcome.rivals, _state_of(outcome))


def _state_of(outcome: Outcome) -> State:
    state = _replayed(outcome.line)
    if not outcome.rivals:
        return state
    if any(event.is_rank_1 for rival in outcome.rivals for event in rival):
        return replace(state, phase=state.moved(Move.FORKED))
    return replace(state, instances={**state.instances, **_disputed(state, outcome.rivals)})


def _disputed(state: State, rivals: Iterable[Line]) -> dict[bytes, Certified]:
    """Return all instances that rank-2 rivals name, suspended, those too that only a rival certified."""
    disputed: dict[bytes, Certified] = {}
    for content in (event.content for rival in rivals for event in rival):
        if isinstance(content, Instance):
            name = names.instance_id(content.ed25519)
            new = Certified(
                name, content.ed25519, content.x25519, content.role, content.not_after_ms, Standing.SUSPENDED
            )
            disputed.setdefault(name, state.instances.get(name, new).after(Fate.DISPUTED))
    for content in (event.content for rival in rivals for event in rival):
        if isinstance(content, InstanceRetired | Suspended) and content.instance in state.instances:
            disputed[content.instance] = state.instances[content.instance].after(Fate.DISPUTED)
    return disputed
