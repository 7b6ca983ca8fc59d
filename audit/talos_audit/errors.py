"""Every way the audit library can say no. None of them has changed anything when it is raised."""

from __future__ import annotations


class AuditError(Exception):
    """Base of all errors of this package."""


class OutOfTree(AuditError):
    """An index, a range or a size was asked for that no tree of this shape has."""


class BrokenTree(AuditError):
    """A stored row of hashes is missing, short or of an impossible size; names its level and index."""


class BadProof(AuditError):
    """A proof does not prove what it claims, or is no proof at all."""


class BadNote(AuditError):
    """No signed note, checkpoint or verifier key, or a signature on it does not verify."""


class BadTiles(AuditError):
    """An exported tree does not hold; names the first resource that is wrong."""
