"""What a program holds of something that lives in the node's thread, however it waits for it."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Generic, TypeVar

from talos.client.talos_client import TalosClient
from talos.client.thread import NodeThread
from talos.core.report import MessageId
from talos.services.messages import Message

S = TypeVar("S")


def show_return(call: Callable[..., object], kind: str) -> None:
    """Have `help` and `inspect` say what `call`, made by `wraps`, returns: not what the wrapped one does."""
    shown = signature(call).replace(return_annotation=kind)
    call.__signature__ = shown  # type: ignore[attr-defined]  # inspect reads it, and no stub tells.


class Near(Generic[S]):
    """The near end of `far`. It holds the thread, so that the node runs as long as anybody can still ask it."""

    __slots__ = ("_far", "_thread")

    def __init__(self, thread: NodeThread, far: S) -> None:
        self._thread = thread
        self._far = far

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {self._far!r}"


class NearClient(Near[TalosClient]):
    """What does not change while a client lives, and can be read from any thread."""

    __slots__ = ()

    @property
    def did(self) -> str:
        return self._far.did

    @property
    def peer_id(self) -> str:
        return self._far.peer_id

    @property
    def public_key(self) -> bytes:
        """The identity's current Ed25519 key, 32 bytes."""
        return self._far.public_key

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the node listens: DID@HOST:PORT, as a peer must be told."""
        return self._far.addresses

    @property
    def recovery_seed(self) -> bytes | None:
        """The 32 bytes that recover this identity, if it was made on disk just now; show them once."""
        return self._far.recovery_seed


class NearMessage(Near[Message]):
    """A message that is on our disk. It is handed out again after a restart until `ack` has returned."""

    __slots__ = ()

    @property
    def id(self) -> MessageId:
        return self._far.id

    @property
    def sender(self) -> str:
        """A peer id."""
        return self._far.sender

    @property
    def body(self) -> bytes:
        return self._far.body

    @property
    def received_ms(self) -> int:
        """UTC, by our clock."""
        return self._far.received_ms

    @property
    def redelivered(self) -> bool:
        """It may have been handed out before a restart."""
        return self._far.redelivered

    def release(self) -> None:
        """Not done after all: hand it to the next who asks."""
        self._thread.soon(self._far.release)
