"""What a link between nodes is measured against: length-prefixed plaintext over TCP under trio, in two processes."""

from __future__ import annotations

import struct
from multiprocessing.connection import Connection
from typing import Final

import trio

from scripts.bench_processes import next_question, usage

HOST: Final = "127.0.0.1"
READ_SIZE: Final = 64 * 1024  # Bytes, as a link of ours reads.
HEAD: Final = struct.Struct(">I")


def plain_receiver(pipe: Connection) -> None:
    """Take frames, and answer each read with how many have come so far.

    Tells its port first; asked for anything, answers with its `Usage`.
    """
    trio.run(_receive, pipe)


async def _receive(pipe: Connection) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    pipe.send(listener.socket.getsockname()[1])
    stream = await listener.accept()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_take, stream)
        while await next_question(pipe) is not None:
            pipe.send(usage())
        nursery.cancel_scope.cancel()


async def _take(stream: trio.SocketStream) -> None:
    """Each message becomes an object of its own, and is dropped."""
    buffer, taken = bytearray(), 0
    while data := await stream.receive_some(READ_SIZE):
        buffer += data
        at = 0
        while len(buffer) - at >= HEAD.size:
            (size,) = HEAD.unpack_from(buffer, at)
            end = at + HEAD.size + size
            if end > len(buffer):
                break
            bytes(buffer[at + HEAD.size : end])
            taken, at = taken + 1, end
        del buffer[:at]
        await stream.send_all(HEAD.pack(taken))


def plain_sender(pipe: Connection, port: int, body: bytes) -> None:
    """Asked for a count, send as many messages, one call each; answer with its `Usage`."""
    trio.run(_send, pipe, port, body)


async def _send(pipe: Connection, port: int, body: bytes) -> None:
    stream = await trio.open_tcp_stream(HOST, port)
    sent = 0
    pipe.send("connected")
    while (question := await next_question(pipe)) is not None:
        (count,) = question
        sent += count
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_acknowledged, stream, sent)
            for _ in range(count):
                await stream.send_all(HEAD.pack(len(body)) + body)
        pipe.send(usage())
    await stream.aclose()


async def _acknowledged(stream: trio.SocketStream, sent: int) -> None:
    """Return once the other side has taken so many."""
    taken, answers = 0, bytearray()
    while taken < sent:
        answers += await stream.receive_some(READ_SIZE)
        whole = len(answers) - len(answers) % HEAD.size
        if whole:
            (taken,) = HEAD.unpack_from(answers, whole - HEAD.size)
            del answers[:whole]
