"""The issuer outage budget, kept at hand for whoever looks, also while the store is away.

What is known stays true then: no leaf is issued without the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Unavailable
from trustplane.issuance.outage_budget import OutageBudget, outage_budget
from trustplane.issuance.record import IssuedCertificate
from trustplane.registry.model import Service
from trustplane.registry.records import Agent
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName

LONGEST, SHORTEST = timedelta(seconds=15), timedelta(seconds=1)
PART = 8  # read again when so much of the figure has passed, so that renewals of short leaves show in time
SHARE = 50  # reading takes at most one part in so many of the time, however many leaves there are


class Leaves(Protocol):
    async def newest_certificates(self) -> Sequence[IssuedCertificate]:
        """The newest of each SPIFFE ID and node that has not expired."""
        ...

    async def agents(self) -> Sequence[Agent]: ...


class Registry(Protocol):
    def service_on(self, node: NodeName, spiffe_id: SpiffeId) -> Service | None:
        """Whose identity it is, if this node is to have it."""
        ...


class Witness(Protocol):
    """Who looks at the same leaves for something else, so that they are read once."""

    async def saw(self, newest: Sequence[IssuedCertificate], agents: Sequence[Agent]) -> None: ...

    async def saw_nothing(self) -> None: ...


class Nobody:
    async def saw(self, newest: Sequence[IssuedCertificate], agents: Sequence[Agent]) -> None:
        del newest, agents

    async def saw_nothing(self) -> None:
        return


class WatchOutageBudget:
    def __init__(self, leaves: Leaves, registry: Registry, clock: Clock, witness: Witness | None = None) -> None:
        self._leaves = leaves
        self._registry = registry
        self._clock = clock
        self._witness = witness or Nobody()
        self._log = structlog.get_logger("outage-budget")
        self.latest = OutageBudget()

    async def read(self) -> OutageBudget:
        """As it is now; the latest known when the store is away."""
        try:
            newest = await self._leaves.newest_certificates()
            agents = await self._leaves.agents()
        except Unavailable as fault:
            self._log.warning("leaves not read", code=fault.code, what=fault.finding.what)
            await self._witness.saw_nothing()
            return self.latest
        banned = {agent.node for agent in agents if agent.banned}

        def entitled(node: NodeName, spiffe_id: SpiffeId) -> ServiceName | None:
            service = None if node in banned else self._registry.service_on(node, spiffe_id)
            return service.name if service else None

        self.latest = outage_budget(newest, entitled)
        await self._witness.saw(newest, agents)
        return self.latest

    async def run(self) -> None:
        while True:
            began = self._clock.now()
            first = (await self.read()).first
            now = self._clock.now()
            wait = max(first.left(now) / PART, SHORTEST) if first else LONGEST
            await self._clock.sleep(max(min(wait, LONGEST), SHARE * (now - began)))
