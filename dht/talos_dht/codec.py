"""Canonical msgpack of the DHT's requests and records; the one module here that imports `msgpack`."""
