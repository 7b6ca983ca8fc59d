"""Reading JSON objects field by field, so that past the edge there are typed values only."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from talos.errors import MalformedMessage, TalosError

TEXT_LENGTH_MAX: Final = 4_096  # Characters of a name, an address or a reason.


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one object. Every reader raises `error`, naming `what` and the field."""

    what: str  # What the object is, for errors.
    values: Mapping[str, object]
    error: type[TalosError] = field(default=MalformedMessage, compare=False)  # `UsageError`, where a user wrote them.

    def text(self, name: str, default: str | None = None, *, most: int = TEXT_LENGTH_MAX) -> str:
        """Read a text of at most `most` characters."""
        value = self.values.get(name, default)
        if not isinstance(value, str) or len(value) > most:
            raise self._malformed(name, f"a text of up to {most} characters")
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self.values.get(name) is None else self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(replace(self, values={name: value}).text(name) for value in self._list(name))

    def octets(self, name: str) -> bytes:
        value = self.values.get(name)
        if not isinstance(value, str):
            raise self._malformed(name, "base64")
        try:
            return b64decode(value, validate=True)
        except ValueError:  # Also where a character is outside ASCII.
            raise self._malformed(name, "base64") from None

    def integer(self, name: str, *, least: int, most: int, default: int | None = None) -> int:
        value = self.values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self._malformed(name, f"an integer from {least} to {most}")
        return value

    def optional_integer(self, name: str, *, least: int, most: int) -> int | None:
        return None if self.values.get(name) is None else self.integer(name, least=least, most=most)

    def number(self, name: str, *, most: float, default: float | None = None) -> float:
        """Read a number from 0 to `most`; NaN is none."""
        value = self.values.get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
            raise self._malformed(name, f"a number from 0 to {most:g}")
        return float(value)

    def yes_or_no(self, name: str, default: bool | None = None) -> bool:
        value = self.values.get(name, default)
        if not isinstance(value, bool):
            raise self._malformed(name, "true or false")
        return value

    def nested(self, name: str) -> Fields:
        value = self.values.get(name)
        if not isinstance(value, dict):
            raise self._malformed(name, "an object")
        return Fields(f"{self.what}.{name}", value, self.error)

    def each(self, name: str) -> tuple[Fields, ...]:
        return tuple(replace(self, values={name: value}).nested(name) for value in self._list(name))

    def only(self, *names: str) -> None:
        """Refuse every field but these: a misspelt one must not be taken for its default."""
        for name in self.values:
            if name not in names:
                raise self.error(f"{self.what}: there is no {name[:80]!r}")

    def _list(self, name: str) -> list[object]:
        value = self.values.get(name)
        if not isinstance(value, list):
            raise self._malformed(name, "a list")
        return value

    def _malformed(self, name: str, expected: str) -> TalosError:
        return self.error(f"{self.what[:80]}: {name} is not {expected}")


def pack_octets(value: bytes) -> str:
    """Return what `Fields.octets` reads."""
    return b64encode(value).decode("ascii")
