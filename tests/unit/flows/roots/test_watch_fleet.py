"""The fleet is looked at with the leaves that the outage budget read, and judged on while the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from tests.kit.ca import TestCa
from tests.kit.clock import VirtualClock
from tests.kit.present import Present
from tests.kit.server_door import ACME, NODE, NOON, certificate
from tests.unit.flows.issuing.test_watch_outage_budget import Leaves, Registry
from trustplane.fault import Unavailable
from trustplane.flows.issuing.watch_outage_budget import WatchOutageBudget
from trustplane.flows.roots.survey_trust import Published
from trustplane.flows.roots.watch_fleet import WatchFleet
from trustplane.issuance.punctuality import Cohort, Punctual
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.registry.presence import Attendance
from trustplane.registry.records import Holding
from trustplane.registry.view import Withdrawn
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.names import NodeName

MINUTE = timedelta(minutes=1)
BUNDLE = Bundle(ACME, (TestCa.root(ACME).certificate,), sequence=1)
NONE = Cohort("cluster", "")


@dataclass
class Table:
    away: bool = False
    asked: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)
    waits: asyncio.Event | None = None

    async def holdings(self) -> Sequence[Holding]:
        self.asked += 1
        self.came.set()
        if self.waits:
            await self.waits.wait()
        if self.away:
            raise Unavailable(code="store-busy", what="busy", why="busy", fix="wait")
        return [Holding(NODE, "sidecar shop/web", "bundle", "old", "old", "", NOON)]


@dataclass
class Builds:
    of: dict[NodeName, str] = field(default_factory=lambda: {NODE: "1.0"})

    def builds(self) -> dict[NodeName, str]:
        return self.of


class Bench:
    def __init__(self, *leaves: IssuedCertificate) -> None:
        self.clock = VirtualClock(NOON)
        self.leaves, self.table, self.builds = Leaves(list(leaves) or [certificate(1)]), Table(), Builds()
        around = (Registry(), Present(Attendance(frozenset({NODE}))), self.builds)
        self.fleet = WatchFleet(self.table, around, lambda: Published(BUNDLE, Withdrawn(), MINUTE), self.clock)
        self.budget = WatchOutageBudget(self.leaves, Registry(), self.clock, self.fleet)

    def of(self, cohort: Cohort) -> Punctual | None:
        return self.fleet.standing.cohorts.get(cohort)


def test_leaves_of_services_are_judged_and_what_is_held_is_compared() -> None:
    async def run() -> None:
        own = replace(certificate(2), purpose=Purpose.NODE)
        bench = Bench(certificate(1), own)
        await bench.budget.read()
        found = bench.of(NONE)
        assert found
        assert found.leaves == 1
        assert bench.fleet.uptake.bundles[""].wrong == 1
        assert bench.fleet.read_at == NOON
        bench.leaves.banned = True
        await bench.budget.read()
        assert bench.of(NONE) is None
        assert bench.fleet.uptake.bundles == {}

    asyncio.run(run())


def test_an_agent_that_is_away_keeps_the_build_it_had() -> None:
    async def run() -> None:
        bench = Bench()
        await bench.budget.read()
        bench.builds.of = {}
        await bench.budget.read()
        assert bench.of(Cohort("agent", "1.0"))
        assert bench.of(Cohort("agent", "unknown")) is None

    asyncio.run(run())


def test_lateness_shows_while_the_store_is_away_and_the_reading_grows_old() -> None:
    async def run() -> None:
        bench = Bench()
        await bench.budget.read()
        bench.leaves.away = True
        await bench.clock.advance(50 * MINUTE)
        await bench.budget.read()
        found = bench.of(NONE)
        assert found
        assert (found.late, found.first_expiry) == (1, NOON + 60 * MINUTE)
        assert bench.fleet.read_at == NOON

    asyncio.run(run())


def test_when_holdings_cannot_be_read_leaves_are_judged_all_the_same() -> None:
    async def run() -> None:
        bench = Bench()
        bench.table.away = True
        await bench.budget.read()
        assert bench.of(NONE)
        assert bench.fleet.read_at is None

    asyncio.run(run())


def test_two_who_look_at_once_read_once() -> None:
    async def run() -> None:
        bench = Bench()
        bench.table.waits = asyncio.Event()
        first = asyncio.ensure_future(bench.budget.read())
        await bench.table.came.wait()
        await bench.budget.read()
        bench.leaves.away = True
        await bench.budget.read()
        bench.table.waits.set()
        await first
        assert bench.table.asked == 1
        assert bench.fleet.read_at == NOON

    asyncio.run(run())
