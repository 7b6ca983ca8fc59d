"""What values a setting takes, in talos.toml and in the environment, and what mends one that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from talos.core.inbox import NODE_ROWS_MAX
from talos.core.names import PeerAddress, parse_place
from talos.errors import UsageError
from talos.host import Address

T = TypeVar("T")

ALWAYS: Final = ("static", "lan")  # Asked first, and in any case; but `lan` has a switch of its own.
SOURCES: Final = (*ALWAYS, "registry", "dht")  # What `discovery` may name.
TOPICS_MAX: Final = 16  # As many as others hold of one publisher, beside its record.
TOPIC_LENGTH_MAX: Final = 128  # Characters: a name, not a text.
ADVERTISED_MAX: Final = 2  # As many as a record holds.
RELAYS_MAX: Final = 2  # Each is an address of the record.
LIST_MAX: Final = 1_000  # Addresses in one setting: bounds what a node does before it is ready.
QUEUE_LIMIT_MAX: Final = 1_000_000  # Messages: about what the default store holds at 4 KiB each.
RETRY_INTERVAL_MIN_S: Final = 0.1  # Below it, a node with peers away would do little else than dial.
DAY_S: Final = 86_400
REPLAY_WINDOW_MAX_S: Final = 30 * DAY_S
STORE_SIZE_MIN_MIB: Final = 64  # One peer's full inbox; less could not take what the inbox limits promise.
STORE_SIZE_MAX_MIB: Final = 16 * 1024 * 1024  # 16 TiB of address space, which a 64-bit machine can map.
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # A folder is called by it.


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What values a setting takes. `read` raises `ValueError`, or a `UsageError` that says more."""

    mend: str
    read: Callable[[object], T]  # A value of talos.toml.
    from_text: Callable[[str], object]  # The environment's spelling of such a value. Raises `ValueError`.

    def take(self, value: object, where: str) -> T:
        try:
            return self.read(value)
        except UsageError as error:
            raise UsageError(f"{where}: {error.what}", fix=error.fix) from None
        except ValueError:
            raise UsageError(f"{where} is {str(value)[:80]!r}", fix=f"Set it to {self.mend}") from None

    def take_text(self, text: str, where: str) -> T:
        try:
            value = self.from_text(text)
        except ValueError:
            value = text  # `take` says what is wrong with it.
        return self.take(value, where)


def parse_address(text: str) -> Address:
    """Read HOST:PORT, an IPv6 host in brackets; port 0 is allowed. Raises `UsageError`."""
    return Address(*parse_place(text, port_least=0))


def _number(least: float, most: float) -> Callable[[object], int | float]:
    def read(value: object) -> int | float:
        # For Python True is an int, but `queue_limit = true` is a mistake. NaN is within no bounds.
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(value)
        return value

    return read


def _whole(least: int, most: int) -> Kind[int]:
    within = _number(least, most)

    def read(value: object) -> int:
        number = within(value)
        if isinstance(number, int):
            return number
        raise ValueError(value)

    return Kind(f"a whole number from {least} to {most}", read, int)


def _list(item: Callable[[str], T], mend: str, most: int = LIST_MAX) -> Kind[tuple[T, ...]]:
    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list | tuple) or len(value) > most:
            raise ValueError(value)
        if not all(isinstance(text, str) for text in value):
            raise ValueError(value)
        return tuple(map(item, value))

    return Kind(mend, read, lambda text: [part.strip() for part in text.split(",") if part.strip()])


def _string(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(value)
    return value


def _utf8(value: object) -> str:
    text = _string(value)
    text.encode()  # Raises `ValueError`.
    return text


def _name(value: object) -> str:
    if not NAME.fullmatch(_string(value)):
        raise ValueError(value)
    return _string(value)


def _source(text: str) -> str:
    if text not in SOURCES:
        raise ValueError(text)
    return text


def _topic(text: str) -> str:
    if not 1 <= len(text) <= TOPIC_LENGTH_MAX or not text.isprintable() or "," in text:
        raise ValueError(text)
    return text


def _yes_or_no(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(value)


def file_below(folder: Path) -> Kind[Path | None]:
    return Kind("the path of a file", lambda value: folder / _string(value), str)


FOLDER: Final = Kind("the path of a folder, in UTF-8", _utf8, str)  # LMDB takes no other.
NAMED: Final = Kind("1 to 64 letters, digits or ._- , a letter or digit first", _name, str)
LISTEN: Final = _list(parse_address, "a list of HOST:PORT")
PEERS: Final = _list(PeerAddress.parse, "a list of DID@HOST:PORT")
DISCOVERY: Final = _list(_source, "a list of: " + ", ".join(SOURCES))
ADVERTISE: Final = _list(lambda text: Address(*parse_place(text, port_least=1)), "a list of HOST:PORT", ADVERTISED_MAX)
QUEUE_LIMIT: Final = _whole(1, QUEUE_LIMIT_MAX)
INBOX_LIMIT: Final = _whole(1, NODE_ROWS_MAX)
RETRY_INTERVAL: Final = Kind(
    f"seconds, from {RETRY_INTERVAL_MIN_S} to {DAY_S}", _number(RETRY_INTERVAL_MIN_S, DAY_S), float
)
TOPIC: Final = Kind(f"1 to {TOPIC_LENGTH_MAX} characters, without commas", lambda text: _topic(_string(text)), str)
TOPICS: Final = _list(_topic, f"a list of at most {TOPICS_MAX} names, without commas", TOPICS_MAX)
RELAYS: Final = _list(PeerAddress.parse, f"a list of at most {RELAYS_MAX} DID@HOST:PORT", RELAYS_MAX)
YES_OR_NO: Final = Kind("true or false", _yes_or_no, lambda text: {"true": True, "false": False}.get(text, text))
REPLAY_WINDOW: Final = _whole(0, REPLAY_WINDOW_MAX_S)
STORE_SIZE: Final = _whole(STORE_SIZE_MIN_MIB, STORE_SIZE_MAX_MIB)


def parse_topic(text: str) -> str:
    """Return the name of a topic. Raises `UsageError` for what is none."""
    return TOPIC.take(text, "topic")
