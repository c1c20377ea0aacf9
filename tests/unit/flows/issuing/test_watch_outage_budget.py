"""The outage budget is read again and again, from what is still to be renewed, and kept while the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

from tests.kit.clock import VirtualClock
from tests.kit.repository import repository
from tests.kit.server_door import NODE, NOON, WEB, certificate
from trustplane.fault import Unavailable
from trustplane.flows.issuing.watch_outage_budget import LONGEST, SHARE, SHORTEST, WatchOutageBudget
from trustplane.issuance.record import IssuedCertificate
from trustplane.registry.model import Service
from trustplane.registry.records import Agent
from trustplane.registry.repository import read
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName

STATE = read(repository())
WEB_NAME = ServiceName("shop", "web")


@dataclass
class Leaves:
    held: list[IssuedCertificate] = field(default_factory=lambda: [certificate(1)])
    banned: bool = False
    away: bool = False
    slow: VirtualClock | None = None
    asked: int = 0

    async def newest_certificates(self) -> Sequence[IssuedCertificate]:
        self.asked += 1
        if self.slow:
            await self.slow.sleep(timedelta(seconds=3))
        if self.away:
            raise Unavailable(code="store-busy", what="busy", why="busy", fix="wait")
        return self.held

    async def agents(self) -> Sequence[Agent]:
        return [Agent(NODE, "10.0.0.7", "join-token", NOON, 77, NOON + timedelta(hours=1), banned=self.banned)]


class Registry:
    def service_on(self, node: NodeName, spiffe_id: SpiffeId) -> Service | None:
        return STATE.services[WEB_NAME] if spiffe_id == WEB and node != NodeName("left") else None


def test_a_leaf_counts_where_its_identity_is_still_to_be_renewed() -> None:
    async def run() -> None:
        leaves = Leaves([certificate(1), replace(certificate(2, lives=timedelta(minutes=1)), node=NodeName("left"))])
        watch = WatchOutageBudget(leaves, Registry(), VirtualClock(NOON))
        first = (await watch.read()).first
        assert first
        assert (first.service, first.serial) == (WEB_NAME, 1)
        leaves.banned = True
        assert (await watch.read()).first is None

    asyncio.run(run())


def test_the_figure_follows_renewals_and_outlives_the_store() -> None:
    async def run() -> None:
        leaves, clock = Leaves(), VirtualClock(NOON)
        watch = WatchOutageBudget(leaves, Registry(), clock)
        running = asyncio.create_task(watch.run())
        await clock.until_sleeping()
        known = watch.latest
        leaves.away = True
        await clock.advance(LONGEST)
        await clock.until_sleeping()
        assert watch.latest == known
        assert await watch.read() == known
        leaves.away, leaves.held = False, [certificate(2, lives=timedelta(hours=2))]
        await clock.advance(LONGEST)
        assert watch.latest.first
        assert watch.latest.first.serial == 2
        running.cancel()

    asyncio.run(run())


def test_reading_many_leaves_takes_a_small_part_of_the_time() -> None:
    async def run() -> None:
        clock = VirtualClock(NOON)
        leaves = Leaves(slow=clock)
        running = asyncio.create_task(WatchOutageBudget(leaves, Registry(), clock).run())
        await clock.until_sleeping()
        await clock.advance(timedelta(seconds=3) * (SHARE + 1) - timedelta(microseconds=1))
        assert leaves.asked == 1
        await clock.advance(timedelta(microseconds=1))
        assert leaves.asked == 2
        running.cancel()

    asyncio.run(run())


def test_the_less_is_left_the_sooner_it_is_read_again() -> None:
    async def run() -> None:
        clock = VirtualClock(NOON)
        leaves = Leaves([certificate(1, lives=timedelta(seconds=40))])
        running = asyncio.create_task(WatchOutageBudget(leaves, Registry(), clock).run())
        await clock.until_sleeping()
        read_at = [NOON]
        while clock.now() < NOON + timedelta(seconds=60):
            asked = leaves.asked
            await clock.advance(timedelta(milliseconds=100))
            read_at += [clock.now()] if leaves.asked > asked else []
        waits = [after - before for before, after in pairwise(read_at)]
        assert waits[0] == timedelta(seconds=5)
        assert waits == sorted(waits, reverse=True)
        assert waits[-1] == SHORTEST
        running.cancel()

    asyncio.run(run())
