"""The bytes on the control socket: one JSON object per line, both ways.

    -> {"id": 7, "verb": "send", "peer": "did:talos:...", "message": "aGVsbG8="}
    <- {"id": 7, "ok": {"state": "delivered", ...}}
    <- {"id": 7, "error": {"type": "Refused", "what": "...", "fix": null, "exit_code": 5}}

`id` is the client's; replies come in any order. Bytes are base64. A line that is no request is answered with
`id` null, and the connection is closed: what follows a broken line cannot be trusted to begin where it seems to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from talos.control.fields import TEXT_LENGTH_MAX, Fields
from talos.errors import DeliveryFailed, MalformedMessage, Refused, TalosError, UsageError

LINE_SIZE_MAX: Final = 2 * 1024 * 1024  # Bytes: the largest message in base64 (1.4 MB), and room for the rest.
REQUEST_ID_MAX: Final = 2**53 - 1  # The largest integer that every JSON library keeps.


class LineSplitter:
    """Cuts a stream into lines. Holds at most `LINE_SIZE_MAX` bytes beside what one `feed` brings."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that `data` completes, without their ends. Raises `MalformedMessage` for one too long."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._grow(end)
            line = bytes(self._begun)
            self._begun.clear()
            yield line
        self._grow(rest)

    def _grow(self, data: bytes) -> None:
        if len(self._begun) + len(data) > LINE_SIZE_MAX:
            raise MalformedMessage(f"a control line is longer than {LINE_SIZE_MAX} bytes")
        self._begun += data


@dataclass(frozen=True, slots=True)
class Request:
    """One line from a client."""

    id: int
    verb: str
    arguments: Fields = field(repr=False)  # A message of somebody's is in there.

    def encode(self) -> bytes:
        """Raises `UsageError` for what JSON has no word for, such as seconds that are no number."""
        try:
            return encode_line({"id": self.id, "verb": self.verb, **self.arguments.values})
        except ValueError as error:
            raise UsageError(f"{self.verb}: {error}", fix="Give numbers, not nan or inf") from None

    @classmethod
    def decode(cls, line: bytes) -> Request:
        """Raises `MalformedMessage`. What is wrong with an argument is found by its verb, and is a `UsageError`."""
        values = decode_line(line)
        envelope = Fields("a request", values)
        request_id = envelope.integer("id", least=0, most=REQUEST_ID_MAX)
        verb = envelope.text("verb")
        rest = {name: value for name, value in values.items() if name not in ("id", "verb")}
        return cls(request_id, verb, Fields(verb, rest, UsageError))


def encode_line(value: Mapping[str, object]) -> bytes:
    """Return `value` as a line, its end included."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def decode_line(line: bytes) -> Mapping[str, object]:
    """Return the object in `line`, which is UTF-8 and says no name twice. Raises `MalformedMessage`."""
    try:
        value = json.loads(line.decode(), object_pairs_hook=_object)  # Of bytes it would guess the encoding.
    except (ValueError, RecursionError) as error:  # Not JSON or UTF-8, an endless number, or a tower of brackets.
        raise MalformedMessage(f"a control line is not JSON: {str(error)[:100]}") from None
    if not isinstance(value, dict):
        raise MalformedMessage("a control line is not a JSON object")
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return value


def success(request_id: int, result: Mapping[str, object]) -> bytes:
    """Return the line of an answer, or where it would be longer than any client reads, of the error that says so."""
    line = encode_line({"id": request_id, "ok": result})
    if len(line) - len(b"\n") > LINE_SIZE_MAX:
        return failure(request_id, Refused(f"the answer would have {len(line)} bytes; {LINE_SIZE_MAX} are the most"))
    return line


def failure(request_id: int | None, error: TalosError) -> bytes:
    """`request_id` is None for a line that is no request."""
    described: dict[str, object] = {
        "type": type(error).__name__,
        "what": error.what[:TEXT_LENGTH_MAX],
        "fix": None if error.fix is None else error.fix[:TEXT_LENGTH_MAX],
        "exit_code": error.exit_code,
    }
    if isinstance(error, DeliveryFailed):
        described["may_have_arrived"] = error.may_have_arrived
    return encode_line({"id": request_id, "error": described})
