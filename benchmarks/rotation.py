"""A change of root with 5 clusters of 20 sidecars: how long each phase takes, and what the database is asked in it.

One server for each cluster, all on one PostgreSQL, each the real command in a process of its own. Agents are simulated
(`_participants`): a hundred Envoys do not fit beside five servers on a small machine. Phases and statements are what
the servers' own metrics say. The drain is as long as the leaves live, which is short here.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import time
from typing import Any

import grpc
from prometheus_client.parser import text_string_to_metric_families

from benchmarks._figures import load, small, tell
from benchmarks._participants import Dial, Participant
from benchmarks._server import (
    DOMAIN,
    Server,
    free_doors,
    one_life,
    repository,
    server_directory,
)
from tests.contracts.store.postgres import running_server as running_postgres
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.wire.http_rotation_shapes import RotationRequest, RotationShape
from trustplane.wire.http_shapes import AuditEntriesShape

CLUSTERS = 2 if small() else 5
NODES = 1 if small() else 4
SIDECARS = 2 if small() else 5  # on each node
LIFETIME = "60s"
PROFILE = f"version: 1\nkey: p256\nlifetime: {LIFETIME}\nbackdate: 30s\nrenew: 40%-60%\n"
IDLE_SECONDS = 2.0 if small() else 20.0
WITHIN_SECONDS = 600.0
LOOK_SECONDS = 0.1
LOOKS = 10  # at the figures for each at the announcements
PAGE = 1000
OVER = ("done", "aborted")


@dataclass(frozen=True, slots=True)
class Scrape:
    """Of all servers together."""

    at: float
    statements: float
    commits: float


async def main() -> None:
    loads = [load()]
    with server_directory() as directory, contextlib.contextmanager(running_postgres)() as postgres:
        database = postgres.fresh_database()
        async with contextlib.AsyncExitStack() as running:
            opened = (one_server(directory, number, database) for number in range(CLUSTERS))
            servers = [await running.enter_async_context(one) for one in opened]
            await servers[0].apply(files())
            await running.enter_async_context(participating(servers))
            idle = await measured_idle(servers)
            scrapes, began = await rotation(servers)
    figures = {"clusters": CLUSTERS, "sidecars": CLUSTERS * NODES * SIDECARS, "agents": CLUSTERS * NODES}
    terms = {"leaf_lifetime": LIFETIME, "emergency": small()}
    tell("rotation", {**figures, **terms, "idle": idle, **phases(scrapes, began)}, [*loads, load()])


def files() -> dict[str, str]:
    services = {
        name: f"selectors: [unix:uid:{40000 + number}]\nnodes: [{node}]\n"
        "ports: {app: 20101, mesh: 20201}\nlongest_request: 1s\n".replace("201", f"{210 + number % SIDECARS}")
        for number, (node, name) in enumerate(placed())
    }
    clusters = "".join(f"  c{one}: {{nodes: [c{one}-*], servers: [server-{one}]}}\n" for one in range(CLUSTERS))
    written = repository(services) | {"profiles/standard.yaml": PROFILE}
    return written | {"trustdomain.yaml": f"trust_domain: {DOMAIN.name}\nclusters:\n{clusters}"}


def placed() -> Iterator[tuple[str, str]]:
    """Every sidecar's node and service."""
    for cluster, node, sidecar in itertools.product(range(CLUSTERS), range(NODES), range(SIDECARS)):
        yield f"c{cluster}-{node}", f"s{cluster}-{node}-{sidecar}"


@contextlib.asynccontextmanager
async def one_server(directory: Path, number: int, database: str) -> AsyncIterator[Server]:
    own = directory / f"server-{number}"
    own.mkdir()
    passphrase = directory / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text("correct horse battery staple\n", encoding="utf-8")
    options = (
        *("--instance", own.name, "--database-url", database),
        *("--passphrase-file", str(passphrase), "--node-lifetime", LIFETIME),
    )
    async with one_life(own, *free_doors(), *options) as server:
        yield server


@contextlib.asynccontextmanager
async def participating(servers: Sequence[Server]) -> AsyncIterator[None]:
    """Agents that hold everything they should, each connected to its cluster's server."""
    async with asyncio.TaskGroup() as tasks:
        agents, running = [], []
        for number, server in enumerate(servers):
            nodes = [f"c{number}-{one}" for one in range(NODES)]
            for node, identity in zip(nodes, await server.enrol(nodes), strict=True):
                services = [name for at, name in placed() if at == node]
                agents.append(Participant(node, services, identity, dialling(server), server.bundle))
        running = [tasks.create_task(one.run()) for one in agents]
        await asyncio.gather(*(one.holds_all.wait() for one in agents))
        yield
        for task in running:
            task.cancel()


def dialling(server: Server) -> Dial:
    def dial(identity: KeyedSvid, bundle: Bundle) -> grpc.aio.Channel:
        return replace(server, bundle=bundle).channel(identity)

    return dial


async def measured_idle(servers: Sequence[Server]) -> dict[str, float]:
    before = await scrape(servers)
    await asyncio.sleep(IDLE_SECONDS)
    after = await scrape(servers)
    return {"statements_a_second": round((after.statements - before.statements) / (after.at - before.at), 1)}


async def rotation(servers: Sequence[Server]) -> tuple[list[Scrape], list[tuple[str, float]]]:
    """What was scraped from before the start until after the end, and when each phase began by the audit log."""
    found = [await scrape(servers)]
    asked = RotationRequest(reason="a benchmark", emergency=small())
    began = await servers[0].admin.post("/v1/rotations", RotationShape, asked)
    async with asyncio.timeout(WITHIN_SECONDS):
        while not (announced := await announcements(servers[0])) or announced[-1][0] not in OVER:
            for _ in range(LOOKS):
                await asyncio.sleep(LOOK_SECONDS)
                found.append(await scrape(servers))
    return found, [("prepare", began.started_at.timestamp()), *announced]


async def announcements(server: Server) -> list[tuple[str, float]]:
    """Every phase that was entered, and when."""
    found, start = [], 0
    while True:
        page = (await server.admin.get(f"/v1/audit/entries?start={start}&limit={PAGE}", AuditEntriesShape)).entries
        bodies = [json.loads(one.body) for one in page]
        found += [
            (one["action"], datetime.fromisoformat(one["at"]).timestamp())
            for one in bodies
            if one["event"] == "root-change-phase"
        ]
        start += len(page)
        if len(page) < PAGE:
            return found


def phases(scrapes: Sequence[Scrape], began: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """Statements are told apart to within one look; reading the announcements is among them."""

    def at(instant: float) -> Scrape:
        return next((one for one in scrapes if one.at >= instant), scrapes[-1])

    each = [
        {
            "phase": phase,
            "seconds": round(end - start, 1),
            "statements": round(at(end).statements - at(start).statements),
            "commits": round(at(end).commits - at(start).commits),
        }
        for (phase, start), (_, end) in itertools.pairwise(began)
    ]
    first, last = scrapes[0], at(began[-1][1])
    whole = {"seconds": round(began[-1][1] - began[0][1], 1), "statements": round(last.statements - first.statements)}
    return {"phases": each, "whole": whole, "outcome": began[-1][0]}


async def scrape(servers: Sequence[Server]) -> Scrape:
    texts = await asyncio.gather(*(one.admin.raw("/metrics") for one in servers))
    samples = [
        sample
        for text in texts
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    ]
    counted = {
        name: sum(one.value for one in samples if one.name == f"trustplane_store_{name}_total")
        for name in ("statements", "commits")
    }
    return Scrape(time(), counted["statements"], counted["commits"])


if __name__ == "__main__":
    asyncio.run(main())
