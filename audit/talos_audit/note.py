"""Signed notes: text that a person can read, signed by one or more keys.

    text, ends in newline
    (empty line)
    — name base64(key id 4 | signature)        one line for each signature

    key id   first 4 bytes of SHA-256(name | 0a | type 1 | public key)
    vkey     name+key id in hex+base64(type 1 | public key)

Type 01 is Ed25519 over the text. Signatures of other types, such as the cosignatures 04 and 06, are signatures of
unknown keys here: kept and ignored.
Source: C2SP, signed-note v1.0.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from talos_audit.errors import BadNote
from talos_audit.text import base64, unbase64

NOTE_SIZE_MAX: Final = 128 * 1024  # Bytes: room for the 16 post-quantum signatures that the standard asks to accept.
SIGNATURES_MAX: Final = 64  # Each signature of a known key costs a verification, some 40 us.

KEY_ID_SIZE: Final = 4  # Bytes.
KEY_SIZE: Final = 32  # Bytes of an Ed25519 public key.
SIGNATURE_SIZE: Final = 64  # Bytes of an Ed25519 signature.
ED25519: Final = b"\x01"  # The signature type of the only keys known here.
_NAME: Final = re.compile("[^\\s+\x00-\x1f\ud800-\udfff]+")
CONTROLS: Final = bytes(set(range(0x20)) - {0x0A})  # Below a space, without newline: in no note.
DASH: Final = "\u2014 "  # An em dash and a space begin a signature line.

Sign = Callable[[bytes], bytes]
"""Message -> its Ed25519 signature of 64 bytes."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Whose signatures we know: a name and an Ed25519 public key. Raises `BadNote` for what can be neither."""

    name: str  # Not empty; no space of any alphabet, no plus, no control character.
    key: bytes  # 32 bytes.

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise BadNote(f"{self.name!r} cannot name a key")
        if len(self.key) != KEY_SIZE:
            raise BadNote(f"a key has {KEY_SIZE} bytes, not {len(self.key)}")

    @property
    def key_id(self) -> bytes:
        """4 bytes: together with the name they say which key signed. No proof of anything."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.key).digest()[:KEY_ID_SIZE]

    def encode(self) -> str:
        """Return the key as one word of text, a vkey."""
        return f"{self.name}+{self.key_id.hex()}+{base64(ED25519 + self.key)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Return the key of a vkey. Raises `BadNote`, also for another type of key than Ed25519."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            typed = unbase64(encoded)
        except ValueError as error:
            raise BadNote(f"no verifier key: {error}") from None
        if typed[:1] != ED25519:
            raise BadNote("a verifier key of a type that is not known here")
        key = cls(name, typed[1:])
        if key.key_id.hex() != key_id:
            raise BadNote("the id of the verifier key does not fit the key")
        return key

    def verifies(self, message: bytes, signature: bytes) -> bool:
        if len(signature) != SIGNATURE_SIZE:
            return False
        try:
            crypto_sign_open(signature + message, self.key)
        except BadSignatureError:
            return False
        return True


def sign_note(text: str, name: str, key: bytes, sign: Sign) -> bytes:
    """Return `text` as a note with one signature. `key` is the public key that goes with `sign`.

    Raises `BadNote` if the text does not end in newline, has control characters, or is too long.
    """
    if not text.endswith("\n"):
        raise BadNote("the text of a note must end in newline")
    return _signed(text, [], VerifierKey(name, key), sign)


def add_signature(note: bytes, name: str, key: bytes, sign: Sign) -> bytes:
    """Return `note` with one more signature at its end; an older one of the same key goes.

    Verifies nothing: open the note before. Raises `BadNote` if it is none.
    """
    text, lines = _split(note)
    added = VerifierKey(name, key)
    kept = [line for line in lines if (line.name, line.key_id) != (name, added.key_id)]
    return _signed(text, kept, added, sign)


def open_note(note: bytes, keys: Sequence[VerifierKey]) -> tuple[str, list[VerifierKey]]:
    """Return the text of a note and those of `keys` that signed it, at least one, as the note orders them.

    Signatures of unknown keys are ignored. Raises `BadNote` if this is no note, if no key of `keys` signed it, or if
    a signature claims to be of one of them and is not.
    """
    text, lines = _split(note)
    known = {(key.name, key.key_id): key for key in keys}
    if len(known) < len(set(keys)):
        raise BadNote("two of the known keys have one name and one id")
    message, signers = text.encode(), list[VerifierKey]()
    for line in lines:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        if not key.verifies(message, line.signature):
            raise BadNote(f"the signature of {key.name}+{key.key_id.hex()} does not verify")
        if key not in signers:
            signers.append(key)
    if not signers:
        raise BadNote("the note is signed by no known key")
    return text, signers


@dataclass(frozen=True, slots=True)
class _Line:
    """One signature of a note, of whatever type."""

    name: str
    key_id: bytes
    signature: bytes  # At least one byte.

    def encode(self) -> str:
        return f"{DASH}{self.name} {base64(self.key_id + self.signature)}\n"

    @classmethod
    def parse(cls, line: str) -> _Line:
        """Raises `BadNote`. The line comes without its newline."""
        name, space, encoded = line.removeprefix(DASH).partition(" ")
        if not (line.startswith(DASH) and space and _is_name(name)):
            raise BadNote("a note must end in signature lines")
        try:
            raw = unbase64(encoded)
        except ValueError as error:
            raise BadNote(f"a signature of {name!r}: {error}") from None
        if len(raw) <= KEY_ID_SIZE:
            raise BadNote(f"a signature of {name!r} is empty")
        return cls(name, raw[:KEY_ID_SIZE], raw[KEY_ID_SIZE:])


def check_note(note: bytes) -> None:
    """Return if `note` has the form of one, whoever signed it. Raises `BadNote`."""
    _split(note)


def _signed(text: str, kept: list[_Line], key: VerifierKey, sign: Sign) -> bytes:
    signature = sign(_encode(text))
    if len(signature) != SIGNATURE_SIZE:
        raise BadNote(f"a signature has {SIGNATURE_SIZE} bytes, not {len(signature)}")
    lines = [*kept, _Line(key.name, key.key_id, signature)]
    _check_count(lines)
    note = _encode(text + "\n" + "".join(line.encode() for line in lines))
    _check_size(note)
    return note


def _split(note: bytes) -> tuple[str, list[_Line]]:
    """Return the text of a note and its signatures. Raises `BadNote`."""
    _check_size(note)
    _check_characters(note)
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise BadNote("a note must be UTF-8") from None
    end = whole.rfind("\n\n") + 1  # The last empty line; the text may have others.
    signatures = whole[end + 1 :]
    if not (end and signatures.endswith("\n")):
        raise BadNote("a note must have an empty line, and signature lines after it")
    lines = signatures[:-1].split("\n")
    _check_count(lines)
    return whole[:end], [_Line.parse(line) for line in lines]


def _encode(text: str) -> bytes:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise BadNote("a note must be UTF-8") from None
    _check_characters(raw)
    return raw


def _check_characters(raw: bytes) -> None:
    if len(raw.translate(None, CONTROLS)) < len(raw):  # No byte of a longer UTF-8 sequence is that small.
        raise BadNote("a note must have no control characters")


def _check_size(note: bytes) -> None:
    if len(note) > NOTE_SIZE_MAX:
        raise BadNote(f"a note of {len(note)} bytes, more than {NOTE_SIZE_MAX}")


def _check_count(lines: Sequence[object]) -> None:
    if len(lines) > SIGNATURES_MAX:
        raise BadNote(f"a note of {len(lines)} signatures, more than {SIGNATURES_MAX}")


def _is_name(name: str) -> bool:
    """Whether `name` may name a key: not empty, UTF-8, no space of any alphabet, no plus, no control character."""
    return _NAME.fullmatch(name) is not None
