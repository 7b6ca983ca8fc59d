"""Contacts and numbers for tests, each a function of its number."""

from __future__ import annotations

from hashlib import sha256

from talos_dht.contact import Contact, number_of


def key(number: int) -> bytes:
    return sha256(b"key %d" % number).digest()


def contact(number: int, host: str | None = None, port: int = 4000) -> Contact:
    """Return a contact in a /24 of its own."""
    host = host or f"{20 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.7"
    return Contact.at(key(number), host, port)


def target(number: int) -> bytes:
    return sha256(b"target %d" % number).digest()[:20]


def distance(one: Contact, target: bytes) -> int:
    return one.number ^ number_of(target)
