"""What issuing costs from end to end, beside the floor of one P-256 verification and one signature.

Agents with identities of their own ask the real server over mutual TLS; it answers when the leaf, and the audit log's
intent and outcome, are durable in SQLite. Requests are made beforehand, so the agents cost little; the figure is the
server's CPU time in all its threads for each certificate, and the floor is measured in turn with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from benchmarks._figures import cpu_seconds, floor_seconds, goal, load, percentile, small, spread, tell
from benchmarks._server import Server, read_repository, repository, running_server
from trustplane.flows.node.keep_leaves import ORDERS_A_CALL
from trustplane.keys.leaf import LeafKey
from trustplane.registry.model import KeyKind
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.wire.gen.trustplane.node.v1 import node_pb2, node_pb2_grpc

AGENTS = 4  # each with one call under way, as a real one has
ROUNDS = 1 if small() else 5
ROUND_CERTIFICATES = 400 if small() else 6000
FLOORS = 100 if small() else 4000
ALONE_CALLS = 20 if small() else 1000
BATCHES = (ORDERS_A_CALL, 50, 10, 1)


@dataclass(frozen=True, slots=True)
class Measured:
    """One round: what a certificate cost in CPU seconds, what the floor was, and how many came a second."""

    cost: float
    floor: float
    rate: float


async def main() -> None:
    loads = [load()]
    services = {f"s{number:03}": f"selectors: [unix:uid:{40000 + number}]\n" for number in range(ORDERS_A_CALL)}
    async with running_server() as server:
        files = repository(services)
        await server.apply(files)
        ids = [str(one.spiffe_id) for one in read_repository(files).services.values()]
        orders = [node_pb2.X509Order(spiffe_id=one, csr=LeafKey.generate(KeyKind.P256).csr()) for one in ids]
        agents = await server.enrol([f"n{number}" for number in range(AGENTS)])
        batches = {size: await batched(server, agents, orders, size) for size in BATCHES}
        alone = await one_at_a_time(server, agents[0], orders[0])
    figures = {str(size): figure(rounds) for size, rounds in batches.items()}
    share = figures[str(ORDERS_A_CALL)]["share_of_floor"]["median"]
    best = {"certificates_a_call": ORDERS_A_CALL, **goal(share, at_least=0.5)}
    tell(
        "issuance",
        {"share_of_floor": best, "by_certificates_a_call": figures, "one_at_a_time_ms": alone},
        [*loads, load()],
    )


def figure(rounds: Sequence[Measured]) -> dict[str, Any]:
    return {
        "share_of_floor": spread([one.floor / one.cost for one in rounds]),
        "server_us_each": spread([one.cost * 1e6 for one in rounds], 1),
        "floor_us": spread([one.floor * 1e6 for one in rounds], 1),
        "a_core_second": round(1 / min(one.cost for one in rounds)),
        "a_second": spread([one.rate for one in rounds], 0),
    }


async def batched(
    server: Server, agents: Sequence[KeyedSvid], orders: Sequence[node_pb2.X509Order], size: int
) -> list[Measured]:
    request = node_pb2.X509Orders(orders=orders[:size])
    # Small batches cost more each: fewer of them say as much.
    calls = max(1, ROUND_CERTIFICATES // (8 if size < 50 else 1) // size // len(agents))
    channels = [server.channel(one) for one in agents]

    async def ask(channel_of: node_pb2_grpc.NodeStub, times: int) -> None:
        for _ in range(times):
            answer = await channel_of.IssueX509(request)
            if any(one.WhichOneof("outcome") != "issued" for one in answer.results):
                raise RuntimeError(f"not issued: {answer.results[0]}")

    stubs = [node_pb2_grpc.NodeStub(channel) for channel in channels]
    await asyncio.gather(*(ask(stub, 1) for stub in stubs))
    rounds = []
    for _ in range(ROUNDS):
        floors = [floor_seconds(FLOORS)]
        cpu, started = cpu_seconds(server.pid), perf_counter()
        await asyncio.gather(*(ask(stub, calls) for stub in stubs))
        took, cpu = perf_counter() - started, cpu_seconds(server.pid) - cpu
        floors.append(floor_seconds(FLOORS))
        issued = calls * size * len(agents)
        rounds.append(Measured(cpu / issued, sum(floors) / 2, issued / took))
    for channel in channels:
        await channel.close()
    return rounds


async def one_at_a_time(server: Server, agent: KeyedSvid, order: node_pb2.X509Order) -> dict[str, float]:
    """How long one request waits, when nothing else is under way."""
    async with server.channel(agent) as channel:
        stub, request, waits = node_pb2_grpc.NodeStub(channel), node_pb2.X509Orders(orders=[order]), []
        await stub.IssueX509(request)
        for _ in range(ALONE_CALLS):
            started = perf_counter()
            await stub.IssueX509(request)
            waits.append((perf_counter() - started) * 1e3)
    return {"p50": round(percentile(waits, 0.5), 2), "p99": round(percentile(waits, 0.99), 2), "calls": len(waits)}


if __name__ == "__main__":
    asyncio.run(main())
