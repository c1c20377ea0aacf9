"""From `apply` to the last of 1,000 agents holding it, and what a connected agent costs the server in memory.

The clock starts when the repository is handed to the server's admin socket and stops when the server has taken the
last agent's acknowledgement, by the instant the server itself writes down. Each agent has its own node identity and
its own mutual TLS connection. Twice: when every node has the same view, and when each has a service of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import Any

from benchmarks._figures import goal, load, memory_bytes, percentile, small, spread, tell
from benchmarks._fleet import Fleet, following
from benchmarks._server import Server, repository, running_server

AGENTS = 20 if small() else 1000
APPLIES = 3 if small() else 12
SHARED_SERVICES = 50
SETTLE_SECONDS = 1.0
ALL_TAKEN_WITHIN_SECONDS = 30.0

Files = Callable[[int], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Apply:
    """Seconds from handing over the repository to each step."""

    answered: float
    received: float
    acknowledged: float


def shared(number: int) -> dict[str, str]:
    """Every node may host every service; one of them changes."""
    texts = {f"s{one:04}": service(one) for one in range(SHARED_SERVICES)}
    return repository(texts | {"s0000": service(0, f"hint: h{number}\n")})


def own(number: int) -> dict[str, str]:
    """Each node has a service of its own; the profile of all of them changes."""
    texts = {f"s{one:04}": service(one, f"nodes: [n{one:04}]\n") for one in range(AGENTS)}
    profile = f"version: {number + 1}\nkey: p256\nlifetime: 1h\nbackdate: 30s\nrenew: 50%-75%\n"
    return repository(texts) | {"profiles/standard.yaml": profile}


def service(number: int, more: str = "") -> str:
    return f"selectors: [unix:uid:{40000 + number}]\n{more}"


async def main() -> None:
    loads = [load()]
    async with running_server() as server:
        await server.apply(shared(0))
        identities = await server.enrol([f"n{number:04}" for number in range(AGENTS)])
        await asyncio.sleep(SETTLE_SECONDS)
        before = memory_bytes(server.pid)
        async with following(server, identities) as fleet:
            await asyncio.sleep(SETTLE_SECONDS)
            connected = memory_bytes(server.pid)
            same = await applies(server, fleet, shared)
            different = await applies(server, fleet, own)
            after = memory_bytes(server.pid)
    figures = {"one_view_for_all": figure(same), "a_view_for_each": figure(different)}
    each = {"connected": kilobytes(before, connected), "after_all_applies": kilobytes(before, after)}
    worst = max(one["acknowledged_by_all_p99_s"] for one in figures.values())
    memory = goal(each["connected"]["own"], below=100.0)
    push: dict[str, Any] = {"agents": AGENTS, "p99_s": goal(worst, below=1.0), **figures}
    tell("push", {**push, "server_kb_an_agent": {**memory, **each}}, [*loads, load()])


async def applies(server: Server, fleet: Fleet, files: Files) -> list[Apply]:
    await applied(server, fleet, files(1))  # the first also removes what the last measurement left
    return [await applied(server, fleet, files(number)) for number in range(2, APPLIES + 2)]


async def applied(server: Server, fleet: Fleet, files: Mapping[str, str]) -> Apply:
    started = time()
    await server.apply(files)
    answered = time()
    async with asyncio.timeout(ALL_TAKEN_WITHIN_SECONDS):
        await fleet.all_received_after(started)
        taken = await asyncio.to_thread(last_taken, server, started)
    return Apply(answered - started, max(fleet.received) - started, taken - started)


def last_taken(server: Server, started: float) -> float:
    """When the server took the last agent's word, read from its own database once all are in it."""
    query = "SELECT count(*), max(since) FROM holdings WHERE thing = 'view' AND since >= ?"
    with contextlib.closing(sqlite3.connect(f"file:{server.database}?mode=ro", uri=True)) as database:
        count, deadline = 0, time() + ALL_TAKEN_WITHIN_SECONDS
        while time() < deadline:
            count, last = database.execute(query, (int(started * 1e6),)).fetchone()
            if count == AGENTS:
                return float(last / 1e6)
    raise RuntimeError(f"the server has the word of {count} of {AGENTS} agents only")


def figure(measured: Sequence[Apply]) -> dict[str, Any]:
    taken = [one.acknowledged for one in measured]
    return {
        "acknowledged_by_all_p50_s": round(percentile(taken, 0.5), 3),
        "acknowledged_by_all_p99_s": round(percentile(taken, 0.99), 3),
        "acknowledged_by_all_s": spread(taken),
        "received_by_all_s": spread([one.received for one in measured]),
        "apply_answered_s": spread([one.answered for one in measured]),
    }


def kilobytes(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, float]:
    return {kind: round((after[kind] - before[kind]) / 1000 / AGENTS, 1) for kind in before}


if __name__ == "__main__":
    asyncio.run(main())
