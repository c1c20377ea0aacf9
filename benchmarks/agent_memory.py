"""What a workload costs an agent in memory: its entry, key and certificates, and its stream on the Workload API.

The real agent, enrolled with the real server. It is measured when it holds one identity, again when it holds many,
and again when a workload process holds a stream, on a connection of its own, for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import grpc

from benchmarks._agent import running_agent
from benchmarks._figures import goal, load, memory_bytes, small, tell
from benchmarks._server import repository, running_server
from trustplane.main.demo.doors import Door
from trustplane.wire.gen.workload import messages_pb2, service_pb2_grpc
from trustplane.wire.http_shapes import AgentStatusShape
from trustplane.wire.workload_api import HEADER

WORKLOADS = 20 if small() else 500
SETTLE_SECONDS = 2.0
HELD_WITHIN_SECONDS = 30.0
OTHER_UID = 40000  # the stream's own process has an entry of its own; the others are for users nobody is


async def main() -> None:
    loads = [load()]
    ours = {"own": f"selectors: [unix:uid:{os.getuid()}]\n"}
    others = {f"s{one:04}": f"selectors: [unix:uid:{OTHER_UID + one}]\n" for one in range(WORKLOADS)}
    async with running_server() as server:
        await server.apply(repository(ours))
        async with running_agent(server, "node-a") as (pid, admin):
            await until_held(admin, 1)
            one = memory_bytes(pid)
            await server.apply(repository(ours | others))
            await until_held(admin, 1 + WORKLOADS)
            many = memory_bytes(pid)
            async with streams(server.directory / "node-a" / "workload.sock"):
                await asyncio.sleep(SETTLE_SECONDS)
                served = memory_bytes(pid)
    entry, stream, both = (kilobytes(*ends) for ends in ((one, many), (many, served), (one, served)))
    figures = {"workloads": WORKLOADS, "agent_kb": round(one["own"] / 1000), "entry_kb": entry, "stream_kb": stream}
    tell("agent_memory", {"kb_a_workload": {**goal(both["own"], below=200.0), **both}, **figures}, [*loads, load()])


async def until_held(admin: Door, count: int) -> None:
    async with asyncio.timeout(HELD_WITHIN_SECONDS):
        while True:
            status = await admin.get("/v1/status", AgentStatusShape)
            if sum(entry.serial is not None for entry in status.entries) == count:
                break
            await asyncio.sleep(0.2)
    await asyncio.sleep(SETTLE_SECONDS)


@contextlib.asynccontextmanager
async def streams(path: Path) -> AsyncIterator[None]:
    """As many streams as there are workloads, each with a connection of its own and its first answer."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.default_authority", "localhost")]
    async with contextlib.AsyncExitStack() as open_streams:
        for _ in range(WORKLOADS):
            channel = await open_streams.enter_async_context(grpc.aio.insecure_channel(f"unix:{path}", options=options))
            call = service_pb2_grpc.SpiffeWorkloadAPIStub(channel).FetchX509SVID(
                messages_pb2.X509SVIDRequest(), metadata=(HEADER,)
            )
            answer = await call.read()
            if not isinstance(answer, messages_pb2.X509SVIDResponse) or len(answer.svids) != 1:
                raise RuntimeError(f"the agent did not answer with one identity: {answer}")
            open_streams.callback(call.cancel)
        yield


def kilobytes(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, float]:
    return {kind: round((after[kind] - before[kind]) / 1000 / WORKLOADS, 1) for kind in before}


if __name__ == "__main__":
    asyncio.run(main())
