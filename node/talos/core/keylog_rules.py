"""The rules: which event may follow which state, who must have signed it, and what it changes.

`follow` is the whole of it; a log is true if it can be followed from its inception to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Final, TypeAlias, assert_never

from talos.core import names
from talos.core.keylog_event import Event
from talos.core.keylog_keys import commitment_of, is_signed
from talos.core.keylog_kinds import INSTANCES_MAX, BrokenKeyLog, ControllerUnknown, Reveal
from talos.core.keylog_rank1 import (
    Controllers,
    Governor,
    Inception,
    Revocation,
    Rotation,
    Setting,
    Thaw,
    Voters,
    Witnesses,
)
from talos.core.keylog_rank2 import Instance, InstanceRetired, Suspended
from talos.core.keylog_state import Certified, Fate, Move, OldKey, Phase, Standing, State

ControllerKey: TypeAlias = Callable[[bytes], bytes | None]  # DID hash -> its current key, if its log is known.

RANK_1_MAX: Final = 32  # Events. The last is kept for a revocation, so that an identity can always end.
SIZE_MAX: Final = 8 * 1024 - 8  # Bytes of events; with the envelope a log is at most 8 KiB.
REVOCATION_RESERVE: Final = 1_536  # Bytes only a revocation may use: nine controllers and a full reason.
WINDOW_MAX_MS: Final = 90 * 86_400_000  # A migration longer than a quarter is a key that never ends.
SETTING_WINDOW_MS: Final = 7 * 86_400_000  # After a setting, sessions made under the key before live on this long.


def nobody_known(did: bytes) -> None:
    """A `ControllerKey` for whoever holds no other key logs: no controller's signature can be checked."""


def verified_before(did: bytes) -> None:
    """A `ControllerKey` for a log that was verified when it was taken, and is read back from where it was kept.

    What its controllers have become since undoes no revocation: they may have other keys, or be revoked by it in turn.
    """


def follow(state: State | None, event: Event, controller_key: ControllerKey) -> State:
    """Return the state after `event`.

    Raises `BrokenKeyLog`, saying which rule it breaks, or `ControllerUnknown`.
    """
    after = apply(state, event)
    _check_signatures(after, event, controller_key)
    return after


def apply(state: State | None, event: Event) -> State:
    """`follow`, for events whose signatures have been checked before."""
    content = event.content
    if state is None:
        if not isinstance(content, Inception):
            raise BrokenKeyLog("event 0 is no inception")
        return _sized(_incepted(event, content), event)
    state = _placed(state, event)
    match content:
        case Inception():
            raise BrokenKeyLog(f"event {event.seq} is a second inception")
        case Rotation():
            after = _rotated(state, content)
        case Controllers() | Witnesses() | Voters() | Governor():
            after = _set(state, content)
        case Thaw():
            after = _thawed(state, content)
        case Revocation():
            after = _revoked(state, content)
        case Instance():
            after = _certified(state, content)
        case InstanceRetired():
            gone = _known(state, content.instance).after(Fate.LEFT)
            after = replace(state, phase=state.moved(Move.LEFT), instances={**state.instances, gone.id: gone})
        case Suspended():
            after = _cloned(state, content)
        case _:
            assert_never(content)
    return _sized(replace(after, seq=event.seq, digest=event.digest), event)


def _incepted(event: Event, content: Inception) -> State:
    if commitment_of(content.reveal.key) == content.reveal.next_commitment:
        raise BrokenKeyLog("event 0 commits to the key it shows")
    return State(
        did=names.digest(names.LABEL_INCEPTION, event.body),
        seq=0,
        digest=event.digest,
        time_ms=event.time_ms,
        phase=Phase.PROVISIONED,
        key=content.reveal.key,
        next_commitment=content.reveal.next_commitment,
        controllers=content.controllers,
        witnesses=content.witnesses,
        voters=content.voters,
        governor=content.governor,
        instances={},
        rank_1_count=0,
        size=0,
    )


def _placed(state: State, event: Event) -> State:
    """Check the event's place behind `state`, and let time pass in it until the event's."""
    if event.seq != state.seq + 1:
        raise BrokenKeyLog(f"event {event.seq} follows event {state.seq}")
    if event.previous != state.digest:
        raise BrokenKeyLog(f"event {event.seq} names another event before it")
    if event.time_ms < state.time_ms:
        raise BrokenKeyLog(f"event {event.seq} is older than the event before it")
    return replace(
        state,
        time_ms=event.time_ms,
        phase=state.phase_at(event.time_ms),
        old_keys=tuple(old for old in state.old_keys if event.time_ms < old.ends_ms),
    )


def _revealed(state: State, reveal: Reveal) -> State:
    if commitment_of(reveal.key) != state.next_commitment:
        raise BrokenKeyLog(f"event {state.seq + 1} shows a key that no event committed to")
    if reveal.next_commitment == state.next_commitment:
        raise BrokenKeyLog(f"event {state.seq + 1} commits to the key it shows")
    return replace(state, key=reveal.key, next_commitment=reveal.next_commitment)


def _rotated(state: State, content: Rotation) -> State:
    now_ms, ends_ms = state.time_ms, content.old_ends_ms
    if ends_ms and (content.is_emergency or not now_ms < ends_ms <= now_ms + WINDOW_MAX_MS):
        raise BrokenKeyLog(f"event {state.seq + 1}: old_ends_ms is in the past, too far, or in an emergency")
    move = Move.MIGRATED if ends_ms else Move.ROTATED
    return replace(
        _revealed(state, content.reveal),
        phase=state.moved(move),
        old_keys=(OldKey(state.key, ends_ms), *state.old_keys) if ends_ms else (),
        window_ends_ms=ends_ms,
        instances=_survivors(state, content.surviving, ends_ms),
    )


def _set(state: State, content: Setting) -> State:
    after = replace(
        _revealed(state, content.reveal),
        phase=state.moved(Move.SET),
        old_keys=(OldKey(state.key, state.time_ms + SETTING_WINDOW_MS), *state.old_keys),
    )
    match content:
        case Controllers():
            return replace(after, controllers=content.controllers)
        case Witnesses():
            return replace(after, witnesses=content.witnesses)
        case Voters():
            return replace(after, voters=content.voters)
        case Governor():
            return replace(after, governor=content.governor)


def _thawed(state: State, content: Thaw) -> State:
    if state.phase is not Phase.FROZEN and not content.rivals:
        raise BrokenKeyLog(f"event {state.seq + 1} thaws what is not frozen")
    return replace(
        _revealed(state, content.reveal),
        phase=state.moved(Move.THAWED),
        old_keys=(),
        instances=_survivors(state, content.surviving, 0),
    )


def _revoked(state: State, content: Revocation) -> State:
    """The key shown is the state's last; by controllers, none is shown."""
    if content.key and commitment_of(content.key) != state.next_commitment:
        raise BrokenKeyLog(f"event {state.seq + 1} shows a key that no event committed to")
    return replace(state, phase=state.moved(Move.REVOKED), key=content.key or state.key, old_keys=())


def _survivors(state: State, surviving: Iterable[bytes], ends_ms: int) -> dict[bytes, Certified]:
    """Keep the instances named; let the others go, at `ends_ms` or, if that is 0, at once."""
    kept = {name: _known(state, name).after(Fate.KEPT) for name in surviving}
    if ends_ms:
        gone = {one.id: replace(one, until_ms=min(one.until_ms, ends_ms)) for one in state.instances.values()}
    else:
        gone = {one.id: one.after(Fate.DROPPED) for one in state.instances.values() if one.id not in kept}
    return gone | kept


def _certified(state: State, content: Instance) -> State:
    name = names.instance_id(content.ed25519)
    before = state.instances.get(name)
    standing = Standing.ACTIVE if before is None else before.after(Fate.RENEWED).standing
    if content.not_after_ms <= state.time_ms:
        raise BrokenKeyLog(f"event {state.seq + 1} certifies an instance for a time that is over")
    after = Certified(name, content.ed25519, content.x25519, content.role, content.not_after_ms, standing)
    instances = {**state.instances, name: after}
    if sum(one.standing is not Standing.RETIRED for one in instances.values()) > INSTANCES_MAX:
        raise BrokenKeyLog(f"event {state.seq + 1} certifies more than {INSTANCES_MAX} instances")
    return replace(state, phase=state.moved(Move.CERTIFIED), instances=instances)


def _cloned(state: State, content: Suspended) -> State:
    instance = _known(state, content.instance)
    if not content.proves_clone(state.did, instance.ed25519):
        raise BrokenKeyLog(f"event {state.seq + 1} is no proof of a clone")
    instances = {**state.instances, instance.id: instance.after(Fate.CLONED)}
    is_alone = not any(one.is_active(state.time_ms) for one in instances.values())
    move = Move.LAST_CLONED if is_alone else Move.CLONED
    return replace(state, phase=state.moved(move), instances=instances)


def _known(state: State, instance: bytes) -> Certified:
    known = state.instances.get(instance)
    if known is None:
        raise BrokenKeyLog(f"event {state.seq + 1} names an unknown instance {instance.hex()[:8]}")
    return known


def _sized(state: State, event: Event) -> State:
    """Hold the limits on a whole log. A revocation may use what the others must leave."""
    count, size = state.rank_1_count + event.is_rank_1, state.size + len(event.encode())
    is_last = isinstance(event.content, Revocation)
    if count > RANK_1_MAX - (not is_last):
        raise BrokenKeyLog(f"event {event.seq}: more than {RANK_1_MAX} of rank 1, the last a revocation")
    if size > SIZE_MAX - (0 if is_last else REVOCATION_RESERVE):
        raise BrokenKeyLog(f"event {event.seq}: the log grows over {SIZE_MAX} bytes, or into its reserve")
    return replace(state, rank_1_count=count, size=size)


def _check_signatures(after: State, event: Event, controller_key: ControllerKey) -> None:
    """Check them against the state after the event, whose key is the one that the event had to be signed by."""
    if isinstance(event.content, Revocation) and not event.content.key:
        _check_controllers(after, event, controller_key)
        return
    if len(event.signatures) != 1 or event.signatures[0].signer:
        raise BrokenKeyLog(f"event {event.seq} needs one signature, by its key")
    if not is_signed(after.key, names.LABEL_EVENT, event.body, event.signatures[0].signature):
        raise BrokenKeyLog(f"event {event.seq} has a wrong signature")


def _check_controllers(state: State, event: Event, controller_key: ControllerKey) -> None:
    signers = [one.signer for one in event.signatures]
    if any(left >= right for left, right in pairwise(signers)):
        raise BrokenKeyLog(f"event {event.seq}: signers are not strictly ascending")
    quorum = state.controllers
    if not quorum.members or len(signers) < quorum.threshold or not set(signers) <= set(quorum.members):
        raise BrokenKeyLog(f"event {event.seq} needs {quorum.threshold} of the controllers, and nobody else")
    if controller_key is verified_before:
        return
    for one in event.signatures:
        key = controller_key(one.signer)
        if key is None:
            raise ControllerUnknown(one.signer)
        if not is_signed(key, names.LABEL_EVENT, event.body, one.signature):
            raise BrokenKeyLog(f"event {event.seq} has a wrong signature of a controller")
