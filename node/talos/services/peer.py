"""What a running node remembers of one peer, beside what is on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import trio

from talos.core.conversation import Conversation
from talos.services.link import Link


@dataclass(slots=True)
class Awaited:
    """A message of ours whose delivery somebody waits for."""

    delivered: bool = False
    news: trio.Event = field(default_factory=trio.Event)  # Set once it is delivered, or the link it went on has ended.

    def wake(self) -> None:
        self.news.set()
        self.news = trio.Event()


@dataclass(slots=True)
class Peer:
    """One peer at run time."""

    did: bytes
    conversation: Conversation
    link: Link | None = None  # Where frames go; others may still be read until they end.
    deliveries: int = 0  # Acknowledgements of our messages so far.
    taken_at: float = inf  # Monotonic: when its newest message was taken; before this node started, if it is inf.
    reason: str | None = None  # Why there is no link, if that is known.
    given_up: int = 0  # Times that we have given its session up, and with it a link.
    reset_at: float = -inf  # Monotonic: when we last gave its session up unasked.
    renewed_at: float = -inf  # Monotonic: when we last had it renewed.
    asked_at: float = -inf  # Monotonic: when the application last had it given up.
    holds: int = 0  # Greetings and links that are at work with it: while there are any, it is not forgotten.
    waiting: dict[int, Awaited] = field(default_factory=dict)  # By seq; who waits puts it there, and takes it away.
