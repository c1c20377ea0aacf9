"""How long after an outage every workload has a new leaf: from the server's word that it is ready to the last leaf.

Real agents and a real server, killed and started again when every leaf is overdue. The instants are those the server
wrote into its log and its database. Beside it the floor: one P-256 verification and one signature for each workload,
on one core, measured in turn. What is above the floor is mostly waiting: agents try again within an eighth of the life
a leaf has left, 30 s at most, so that leaves of less than a minute say what short waits allow and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks._agent import running_agent
from benchmarks._figures import cpu_seconds, floor_seconds, goal, load, small, spread, tell
from benchmarks._server import Server, free_doors, one_life, repository, server_directory
from trustplane.main.demo.doors import Door
from trustplane.wire.http_shapes import AgentStatusShape

AGENTS = 2 if small() else 4
WORKLOADS = 20 if small() else 1000
OUTAGES = 1 if small() else 3
FLOORS = 100 if small() else 4000
LIFETIME_SECONDS = 40
# So early that a leaf is long overdue when a quarter of its life is gone.
PROFILE = f"version: 1\nkey: p256\nlifetime: {LIFETIME_SECONDS}s\nbackdate: 30s\nrenew: 10%-20%\n"
WITHIN_SECONDS = 2.0 * LIFETIME_SECONDS

Holds = Callable[[Sequence[AgentStatusShape]], bool]


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from ready; CPU of the server from its start; leaves that had expired before their successor came."""

    first: float
    last: float
    cpu: float
    floor: float
    expired: int


async def main() -> None:
    loads = [load()]
    texts = {f"s{one:04}": service(one) for one in range(WORKLOADS)}
    with server_directory() as directory:
        doors = free_doors()
        async with contextlib.AsyncExitStack() as agents:
            async with one_life(directory, *doors) as server:
                await server.apply(repository(texts) | {"profiles/standard.yaml": PROFILE})
                started = [await agents.enter_async_context(running_agent(server, f"n{one}")) for one in range(AGENTS)]
                admins = [admin for _, admin in started]
                await until(admins, all_held)
                os.kill(server.pid, signal.SIGKILL)
            recoveries = [await outage(directory, doors, admins) for _ in range(OUTAGES)]
    tell("recovery", figures(recoveries), [*loads, load()])


def service(number: int) -> str:
    return f"selectors: [unix:uid:{40000 + number}]\nnodes: [n{number % AGENTS}]\n"


async def outage(directory: Path, doors: tuple[str, str], admins: Sequence[Door]) -> Recovery:
    """The server is gone; it comes back, everyone recovers, and it is killed again."""
    await until(admins, all_overdue)
    floors = [floor_seconds(FLOORS)]
    async with one_life(directory, *doors) as server:
        back = ready_at(directory / "server.log")
        firsts, expired = await all_reissued(server, back)
        cpu = cpu_seconds(server.pid)
        await until(admins, all_held)
        os.kill(server.pid, signal.SIGKILL)
    floors.append(floor_seconds(FLOORS))
    return Recovery(min(firsts) - back, max(firsts) - back, cpu, WORKLOADS * sum(floors) / 2, expired)


async def until(admins: Sequence[Door], holds: Holds) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        while True:
            if holds([await one.get("/v1/status", AgentStatusShape) for one in admins]):
                return
            await asyncio.sleep(0.2)


def all_held(agents: Sequence[AgentStatusShape]) -> bool:
    renewals = [(one.renew_at, of.now) for of in agents for one in of.entries]
    return len(renewals) == WORKLOADS and all(renew_at is not None and at < renew_at for renew_at, at in renewals)


def all_overdue(agents: Sequence[AgentStatusShape]) -> bool:
    return all(one.renew_at is not None and one.renew_at < of.now for of in agents for one in of.entries)


def ready_at(log: Path) -> float:
    """When this life of the server said that it was ready."""
    for line in log.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            said = json.loads(line)
            if said.get("event") == "ready":
                return datetime.fromisoformat(said["timestamp"]).timestamp()
    raise RuntimeError(f"the server did not say that it was ready: {log.read_text(encoding='utf-8')[-2000:]}")


async def all_reissued(server: Server, back: float) -> tuple[list[float], int]:
    """The instant each workload's first new leaf was issued, and how many leaves had expired by then."""
    give_up = monotonic() + WITHIN_SECONDS
    while len(found := await asyncio.to_thread(reissued, server, back)) < WORKLOADS:
        if monotonic() > give_up:
            raise RuntimeError(f"{len(found)} of {WORKLOADS} workloads have a new leaf only")
        await asyncio.sleep(0.1)
    return [issued for issued, _ in found], sum(expired < issued for issued, expired in found)


def reissued(server: Server, back: float) -> list[tuple[float, float]]:
    """Of each workload with a new leaf: when it was issued, and when the one before expired."""
    query = """
        SELECT min(CASE WHEN issued_at >= :back THEN issued_at END) AS issued,
               max(CASE WHEN issued_at < :back THEN not_after END)
        FROM certificates WHERE purpose = 'workload' GROUP BY spiffe_id HAVING issued IS NOT NULL
    """
    with contextlib.closing(sqlite3.connect(f"file:{server.database}?mode=ro", uri=True)) as database:
        rows = database.execute(query, {"back": int(back * 1e6)})
        return [(issued / 1e6, expired / 1e6) for issued, expired in rows]


def figures(recoveries: Sequence[Recovery]) -> dict[str, Any]:
    return {
        "workloads": WORKLOADS,
        "agents": AGENTS,
        "lifetime_seconds": LIFETIME_SECONDS,
        "expired": goal(sum(one.expired for one in recoveries), below=1),
        "all_renewed_seconds": spread([one.last for one in recoveries]),
        "first_renewed_seconds": spread([one.first for one in recoveries]),
        "server_cpu_seconds": spread([one.cpu for one in recoveries]),
        "floor_seconds": spread([one.floor for one in recoveries]),
        "times_the_floor": spread([one.last / one.floor for one in recoveries], 1),
    }


if __name__ == "__main__":
    asyncio.run(main())
