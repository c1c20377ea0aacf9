"""How the fleet stands, kept at hand for metrics: who renews in time, what is held, who is away, whose clock is off.

It looks when the outage budget is read, so that the leaves are read once, and leaves the event loop its turns. While
the store is away no leaf is issued; what is known is judged on, so that lateness shows during the outage and not after
it. Every server sees the whole fleet; the build of an agent is known to the server that it follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Unavailable
from trustplane.flows.roots.fleet_uptake import FleetUptake, Newest, fleet_uptake
from trustplane.flows.roots.survey_trust import Present, Published
from trustplane.issuance.punctuality import By, Cohort, Punctuality, Standing
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.registry.model import Service
from trustplane.registry.records import Agent, Holding
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import AuthorityId

UNKNOWN = "unknown"


class Records(Protocol):
    async def holdings(self) -> Sequence[Holding]: ...


class Registry(Protocol):
    def service_on(self, node: NodeName, spiffe_id: SpiffeId) -> Service | None: ...


class Connected(Protocol):
    def builds(self) -> dict[NodeName, str]:
        """Of the agents that follow this server."""
        ...


class WatchFleet:
    """Satisfies `flows.issuing.watch_outage_budget.Witness`."""

    def __init__(
        self,
        records: Records,
        around: tuple[Registry, Present, Connected],
        published: Callable[[], Published],
        clock: Clock,
    ) -> None:
        self._records = records
        self._registry, self._present, self._connected = around
        self._published = published
        self._clock = clock
        self._builds: dict[NodeName, str] = {}
        self._banned: frozenset[NodeName] = frozenset()
        self._punctuality = Punctuality()
        self._looking = asyncio.Lock()
        self._log = structlog.get_logger("fleet")
        self.uptake = FleetUptake()
        self.read_at: datetime | None = None

    @property
    def standing(self) -> Standing:
        return self._punctuality.standing

    async def saw(self, newest: Sequence[IssuedCertificate], agents: Sequence[Agent]) -> None:
        """Whoever comes while it looks is content with that look."""
        if self._looking.locked():
            return
        async with self._looking:
            at = self._clock.now()
            self._banned = frozenset(one.node for one in agents if one.banned)
            self._know_builds(agents)
            leaves = [one for one in newest if one.purpose is Purpose.WORKLOAD]
            await _in_turns(self._punctuality.read(leaves, self._cohorts_of(), at))
            await _in_turns(self._punctuality.judge(self._is_entitled, at))
            try:
                held, attendance = await self._records.holdings(), await self._present.attendance()
            except Unavailable as fault:
                self._log.warning("holdings not read", code=fault.code, what=fault.finding.what)
                return
            self.uptake = fleet_uptake(held, agents, Newest.of(leaves), self._published(), attendance)
            self.read_at = at

    async def saw_nothing(self) -> None:
        """The store is away."""
        if not self._looking.locked():
            async with self._looking:
                await _in_turns(self._punctuality.judge(self._is_entitled, self._clock.now()))

    def _is_entitled(self, node: NodeName, spiffe_id: SpiffeId) -> bool:
        return node not in self._banned and self._registry.service_on(node, spiffe_id) is not None

    def _cohorts_of(self) -> Callable[[IssuedCertificate], Sequence[Cohort]]:
        """For one look, in which there are many leaves of few nodes and fewer issuers."""
        clusters = self._published().clusters

        @cache
        def of_issuer(authority: AuthorityId) -> Cohort:
            return Cohort.of(By.ISSUER, str(authority))

        @cache
        def of_node(node: NodeName) -> tuple[Cohort, Cohort]:
            cluster = clusters.of_node(node)
            build = Cohort.of(By.AGENT, self._builds.get(node, UNKNOWN))
            return build, Cohort.of(By.CLUSTER, cluster.name if cluster else "")

        return lambda one: (of_issuer(one.authority), *of_node(one.node))

    def _know_builds(self, agents: Sequence[Agent]) -> None:
        """Who is away had the build that it had."""
        known = self._builds | self._connected.builds()
        self._builds = {one.node: known[one.node] for one in agents if one.node in known}


async def _in_turns(work: Iterator[None]) -> None:
    for _ in work:
        await asyncio.sleep(0)
