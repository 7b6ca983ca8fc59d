"""Canonical msgpack of the audit log's own records; the one module here that imports `msgpack`."""
