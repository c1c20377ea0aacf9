"""Simulated agents: each with its own node identity and its own connection, following the server as a real one does.

They hold what the server says without looking into it: what a real agent then does costs its own node, not the server.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from time import time

import grpc

from benchmarks._server import Server
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.wire.gen.trustplane.node.v1 import node_pb2, node_pb2_grpc

CONNECTING_AT_ONCE = 32


class Fleet:
    """`received` is the wall-clock second of each agent's newest update."""

    def __init__(self, size: int) -> None:
        self.received = [0.0] * size
        self.bytes_received = 0
        self._news = asyncio.Event()

    async def all_received_after(self, instant: float) -> None:
        while min(self.received) < instant:
            self._news.clear()
            await self._news.wait()

    async def follow(self, number: int, channel: grpc.aio.Channel, connected: asyncio.Event) -> None:
        call = node_pb2_grpc.NodeStub(channel).Follow()
        await call.write(node_pb2.Report(hello=node_pb2.Hello(agent_version="bench", address="127.0.0.1")))
        while isinstance(update := await call.read(), node_pb2.Update):
            held = node_pb2.Acknowledgement(number=update.number, view_digest=update.view_digest)
            await call.write(node_pb2.Report(acknowledgement=held))
            self.received[number] = time()
            self.bytes_received += update.ByteSize()
            self._news.set()
            connected.set()
        raise RuntimeError(f"the server ended a stream: {await call.code()} {await call.details()}")


@contextlib.asynccontextmanager
async def following(server: Server, identities: Sequence[KeyedSvid]) -> AsyncIterator[Fleet]:
    """All of them, once each has its first view."""
    fleet, gate = Fleet(len(identities)), asyncio.Semaphore(CONNECTING_AT_ONCE)
    channels = [server.channel(identity) for identity in identities]

    async def join(tasks: asyncio.TaskGroup, number: int) -> asyncio.Task[None]:
        async with gate:
            connected = asyncio.Event()
            task = tasks.create_task(fleet.follow(number, channels[number], connected))
            await connected.wait()
            return task

    async with asyncio.TaskGroup() as tasks:
        streams = await asyncio.gather(*(join(tasks, number) for number in range(len(channels))))
        yield fleet
        for stream in streams:
            stream.cancel()
    await asyncio.gather(*(channel.close() for channel in channels))
