"""Where others come in: the listeners of a node, the ports beside them, and discovery, which needs both."""

from __future__ import annotations

import trio

from talos.config import ALWAYS, Config
from talos.drivers.network_key import read_network_key
from talos.host import Datagrams, Listener
from talos.services.desk import Desk
from talos.services.discovery.ports import ANY_PORT, listen
from talos.services.discovery.service import Discovery, Settings
from talos.services.links import Links
from talos.services.relaying.homes import Homes


class Doors:
    """Raises `UsageError` where the network key cannot be read."""

    def __init__(self, config: Config, desk: Desk) -> None:
        self._config = config
        self._desk = desk
        self._network_key = read_network_key(config.network_key_file)
        self._ports: list[Datagrams] = []
        self.listeners: list[Listener] = []
        self.discovery: Discovery | None = None

    async def open(self, nursery: trio.Nursery, links: Links, homes: Homes) -> None:
        """Return once others can come in. Raises `UsageError` where they cannot."""
        network, config, ports = self._desk.host.network, self._config, self._ports
        receives = config.registry or not set(config.discovery) <= set(ALWAYS)
        for address in config.listen:
            if receives:
                listener, port = await listen(network, address)
                ports.append(port)
            else:
                listener = await network.listen_stream(address)
            self.listeners.append(listener)
            nursery.start_soon(links.accept_from, listener)
        if receives and not ports:
            ports.append(await network.open_datagrams(ANY_PORT))
        if receives or config.lan:
            settings = _settings(config, self._network_key)
            self.discovery = Discovery(self._desk, links, self.listeners, ports, settings, homes)
            await nursery.start(self.discovery.run)

    async def close(self) -> None:
        for listener in self.listeners:
            await listener.aclose()
        for port in self._ports:
            await port.aclose()


def _settings(config: Config, network_key: bytes) -> Settings:
    return Settings(
        sources=config.discovery,
        ways_in=(*config.bootstrap, *config.peers),
        registries=config.registries,
        is_registry=config.registry,
        topics=config.topics,
        network_key=network_key,
        advertise=config.advertise,
        lan=config.lan,
    )
