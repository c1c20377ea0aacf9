"""One look at the server for everyone who asks within a moment: many open pages cost what one does.

A fleet that takes long to look at is looked at less often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from trustplane.clock import Clock
from trustplane.console.attention import Known
from trustplane.console.fleet import Shared, shared
from trustplane.console.handshakes import LATELY
from trustplane.console.overview import Overview, Timeline, overview, timeline
from trustplane.console.port import Server
from trustplane.console.trust import Trust, trust

FRESH = timedelta(seconds=1)
SHARE = 10
NEVER = datetime.max.replace(tzinfo=UTC)
REVISIONS = 5
PAST_CHANGES = 20
HOURS = 24
MOST_EXPIRIES = 100_000

T = TypeVar("T")


class Once(Generic[T]):
    """What is read stays for a second, or for as long as it takes to be worth it: reading has a tenth of the time."""

    def __init__(self, read: Callable[[], Awaitable[T]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._looking: asyncio.Future[T] | None = None
        self._fresh_until: datetime | None = None

    def forget(self) -> None:
        """Whoever acted sees what became of it."""
        self._looking = None

    async def now(self) -> T:
        looking = self._looking
        is_stale = looking is not None and looking.done() and self._clock.now() >= (self._fresh_until or NEVER)
        if looking is None or is_stale:
            looking = self._looking = asyncio.ensure_future(self._timed())
        return await asyncio.shield(looking)  # who goes away does not end it for the others

    async def _timed(self) -> T:
        began = self._clock.now()
        self._fresh_until = began + FRESH
        try:
            return await self._read()
        finally:
            ended = self._clock.now()
            self._fresh_until = max(began + FRESH, ended + SHARE * (ended - began))


class Looking:
    def __init__(self, server: Server, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self.overview = Once(self._overview, clock)
        self.uptake = Once(server.uptake, clock)
        self.budget = Once(server.outage_budget, clock)
        self.hostings = Once(server.hostings, clock)
        self.trust = Once(self._trust, clock)
        self.dry_run = Once(server.dry_run, clock)
        self.expiries = Once(self._expiries, clock)
        self.in_common = Once(self._in_common, clock)

    def forget(self) -> None:
        self.overview.forget()
        self.trust.forget()
        self.dry_run.forget()

    async def _overview(self) -> Overview:
        server = self._server
        current, changes = await server.current(), await server.rotations(1)
        known = Known(
            at=self._clock.now(),
            cannot_issue=await server.cannot_issue(),
            to_be_mended=await server.to_be_mended(),
            budget=await self.budget.now(),
            renewals=await server.renewals(),
            state=current[1] if current else None,
            agents=await server.agents(),
            connected=await server.connected(),
            uptake=await self.uptake.now(),
            change=changes[0] if changes else None,
            proposals=await server.proposals().lately(),
        )
        failures = await server.handshakes().by_hour(HOURS)
        found = overview(known, await server.revisions(REVISIONS), await self.hostings.now())
        return replace(found, failures=failures)

    async def _in_common(self) -> Shared:
        return shared(await self._server.comparing().compare(LATELY))

    async def _expiries(self) -> Timeline:
        budget, current = await self.budget.now(), await self._server.current()
        return timeline(budget, current[1] if current else None, self._clock.now(), MOST_EXPIRIES)

    async def _trust(self) -> Trust:
        server = self._server
        progress, authorities = await server.rotation(), await server.authorities()
        bundle, past = await server.published_bundle(), await server.rotations(PAST_CHANGES)
        return trust(progress, authorities, bundle, past, self._clock.now())
