# `protocol` is there once it listens; addresses are (IP address, port).

from collections.abc import Iterable

from kademlia.node import Node
from kademlia.protocol import KademliaProtocol

class Server:
    ksize: int
    alpha: int
    node: Node
    protocol: KademliaProtocol
    def __init__(self, ksize: int = 20, alpha: int = 3, node_id: bytes | None = None, storage: object = None) -> None: ...
    def stop(self) -> None: ...
    async def listen(self, port: int, interface: str = "0.0.0.0") -> None: ...
    async def bootstrap(self, addrs: Iterable[tuple[str, int]]) -> list[Node]: ...
