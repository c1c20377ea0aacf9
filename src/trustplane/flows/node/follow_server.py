"""An agent following its server: holding the node's view, and reporting what its participants hold.

The view is applied only when its digest proves it whole; if it does not, the agent asks for a full one. Reports are
state, not events: after a reconnect everything current is sent again, so nothing is lost while the server is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault, Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.node.node_link import HoldingsReport, HostingReport, Link, Report, ViewHeld, ViewUpdate
from trustplane.flows.retry import Patience
from trustplane.registry.records import Holding
from trustplane.registry.view import NodeView
from trustplane.registry.view_change import applied, digest
from trustplane.spiffe.names import ServiceName

LONGEST_WAIT = timedelta(seconds=15)
HOLDINGS_A_REPORT = 1000


class Outbox:
    """What must reach the server: the newest of each thing, kept until the stream it went out on ends well."""

    def __init__(self) -> None:
        self._holdings: dict[tuple[str, str], Holding] = {}
        self._unsent: set[tuple[str, str]] = set()
        self._gone: set[str] = set()
        self._told: set[str] = set()  # participants that this stream has named
        self._complete_due = False
        self._hosting: frozenset[ServiceName] | None = None
        self._hosting_sent = True
        self._held: ViewHeld | None = None
        self._streams = 0
        self._more = asyncio.Event()

    def hold(self, holding: Holding) -> None:
        key = (holding.participant, holding.thing)
        self._holdings[key] = holding
        self._unsent.add(key)
        self._more.set()

    def forget(self, participant: str) -> None:
        """A participant that is gone holds nothing any more.

        One that was not told of on this stream need not be taken back: whatever a stream did not name is dropped.
        """
        for key in [key for key in self._holdings if key[0] == participant]:
            del self._holdings[key]
            self._unsent.discard(key)
        if participant in self._told:
            self._gone.add(participant)
            self._more.set()

    def host(self, services: frozenset[ServiceName]) -> None:
        self._hosting = services
        self._hosting_sent = False
        self._more.set()

    def acknowledge(self, held: ViewHeld) -> None:
        self._held = held
        self._more.set()

    @property
    def holdings(self) -> tuple[Holding, ...]:
        return tuple(self._holdings.values())

    @property
    def hosting(self) -> frozenset[ServiceName]:
        return self._hosting or frozenset()

    async def reports(self) -> AsyncIterator[Report]:
        """Everything current, then what changes. Start one per stream; the one before it says no more."""
        mine = self.begin()
        while True:
            await self._more.wait()
            if mine != self._streams:
                return
            self._more.clear()
            for report in self.take():
                yield report

    def begin(self) -> int:
        """A new stream, by number: everything current is to be said again."""
        self._streams += 1
        self._unsent = set(self._holdings)
        self._gone.clear()
        self._told.clear()
        self._complete_due = True
        self._hosting_sent = self._hosting is None
        self._more.set()
        return self._streams

    def take(self) -> list[Report]:
        """What must be said now; it is not said again on this stream."""
        taken: list[Report] = []
        if self._held is not None:
            taken.append(self._held)
            self._held = None
        if not self._hosting_sent and self._hosting is not None:
            taken.append(HostingReport(self._hosting))
            self._hosting_sent = True
        taken.extend(self._take_holdings())
        return taken

    def _take_holdings(self) -> Iterator[HoldingsReport]:
        unsent = tuple(self._holdings[key] for key in sorted(self._unsent))
        gone = tuple(sorted(self._gone))
        self._unsent.clear()
        self._gone.clear()
        self._told.difference_update(gone)
        self._told.update(one.participant for one in unsent)
        starts = range(0, max(len(unsent), 1), HOLDINGS_A_REPORT)
        for start in starts:
            told = unsent[start : start + HOLDINGS_A_REPORT]
            complete = self._complete_due and start == starts[-1]
            if told or gone or complete:
                yield HoldingsReport(told, gone, complete)
            gone = ()
        self._complete_due = False


class Links(Protocol):
    async def dial(self) -> Link: ...

    async def drop(self, link: Link) -> None:
        """Close this link if it is still the open one, so that the next dial makes another."""
        ...


class FollowServer:
    def __init__(self, links: Links, views: Feed[NodeView | None], outbox: Outbox, clock: Clock) -> None:
        self._links = links
        self._views = views
        self._outbox = outbox
        self._clock = clock
        self._log = structlog.get_logger("follow")
        self.connected_since: datetime | None = None
        self.disconnected_since: datetime | None = clock.now()
        self.last_fault: Fault | None = None
        self._ask_whole = False

    async def run(self, random: Random) -> None:
        patience = Patience(LONGEST_WAIT, random)
        while True:
            link: Link | None = None
            try:
                link = await self._links.dial()
                await self._follow(link, patience)
            except Fault as fault:
                self._lost(fault)
                if link is not None:
                    await self._links.drop(link)
                asked = fault.retry_after if isinstance(fault, Unavailable) else LONGEST_WAIT
                await self._clock.sleep(patience.next_wait(asked))

    async def _follow(self, link: Link, patience: Patience) -> None:
        held = None if self._ask_whole else self._views.value
        async with aclosing(link.follow(digest(held) if held else "", self._outbox.reports())) as updates:
            async for update in updates:
                if self.connected_since is None:
                    self._connected(patience)
                self._take(update)
        raise Unavailable(
            code="server-closed-stream",
            what="the server ended the stream",
            why="it is stopping, or balancing its agents",
            fix="nothing; the agent connects again",
        )

    def _take(self, update: ViewUpdate) -> None:
        held = self._views.value
        if update.whole is not None:
            view = update.whole
        elif held is not None and update.change is not None:
            view = applied(held, update.change)
        else:
            self._ask_whole = True
            raise _incoherent("the server sent a difference before anything whole")
        self._ask_whole = digest(view) != update.view_digest
        if self._ask_whole:
            raise _incoherent("the view after a difference is not the one the server means")
        if view != held:
            self._views.publish(view)
        self._outbox.acknowledge(ViewHeld(update.number, update.view_digest))

    def _connected(self, patience: Patience) -> None:
        patience.start_over()
        self.connected_since = self._clock.now()
        self.disconnected_since = None
        self.last_fault = None
        self._log.info("connected to the server")

    def _lost(self, fault: Fault) -> None:
        if self.connected_since is not None or self.last_fault is None or self.last_fault.code != fault.code:
            self._log.warning("no server", code=fault.code, what=fault.finding.what, fix=fault.finding.fix)
        self.connected_since = None
        self.disconnected_since = self.disconnected_since or self._clock.now()
        self.last_fault = fault.with_traceback(None)


def _incoherent(what: str) -> Unavailable:
    return Unavailable(
        code="view-incoherent",
        what=what,
        why="a difference applies only to the view it was made from",
        fix="nothing; the agent asks for a full view",
    )
