import asyncio

from kademlia.routing import RoutingTable

class KademliaProtocol:
    router: RoutingTable
    transport: asyncio.DatagramTransport
