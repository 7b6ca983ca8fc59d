"""What still comes when a node, or a link, has been told to stop."""

from __future__ import annotations

from dataclasses import dataclass

from talos.host import Address, Listener, Stream
from tests.node.services.wire import running


@dataclass
class AtOnce:
    """A listener that has a stream already, so that `accept` returns it although the node has stopped."""

    stream: Stream
    address = Address("here", 1)

    async def accept(self) -> Stream:
        return self.stream

    async def aclose(self) -> None:
        return


async def test_a_stream_that_comes_in_the_moment_of_stopping_is_closed_and_breaks_nothing() -> None:
    async with running("ada", "bob") as (ada, _):
        stream = await ada.wire.dial(ada.address, "stranger")
        listener: Listener = AtOnce(stream)
        ada.links._nursery.cancel_scope.cancel()
        await ada.links.accept_from(listener)
        assert stream.is_closed
