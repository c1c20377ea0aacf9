"""Parcels from the node's disk to the server, the oldest first, each until its receipt has come.

A parcel leaves the disk only with its receipt. What the server refuses as no parcel is dropped and counted; a server of
before that knows no parcels is asked again from time to time, and the disk's bound holds meanwhile.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Refused, Unavailable
from trustplane.flows.node_link import Link
from trustplane.flows.retry import Patience
from trustplane.verdict.delivery import Parcel

LONGEST_WAIT = timedelta(seconds=30)
UNTIL_IT_IS_NEWER = timedelta(minutes=5)
NOT_KNOWN = "peer-refused"  # what a call becomes that the other side does not have


class Outgoing(Protocol):
    async def oldest(self) -> Parcel | None:
        """Of those that are complete."""
        ...

    async def drop(self, parcel: Parcel) -> None: ...

    def more(self) -> asyncio.Event:
        """Set when another is complete."""
        ...


class Dialler(Protocol):
    async def dial(self) -> Link: ...


class DeliverDecisions:
    def __init__(self, spool: Outgoing, links: Dialler, clock: Clock) -> None:
        self._spool = spool
        self._links = links
        self._clock = clock
        self._log = structlog.get_logger("decisions")
        self.delivered = 0
        self.refused = 0

    async def run(self, random: Random) -> None:
        patience = Patience(LONGEST_WAIT, random)
        while True:
            more = self._spool.more()
            more.clear()
            parcel = await self._spool.oldest()
            if parcel is None:
                await more.wait()
                continue
            try:
                await self.deliver(parcel)
            except Unavailable as fault:
                await self._clock.sleep(patience.next_wait(fault.retry_after))
            except Refused as fault:
                await self._refused(parcel, fault)
            else:
                patience.start_over()

    async def deliver(self, parcel: Parcel) -> None:
        link = await self._links.dial()
        if await link.deliver(parcel) >= parcel.id.number:
            await self._spool.drop(parcel)
            self.delivered += 1

    async def _refused(self, parcel: Parcel, fault: Refused) -> None:
        if fault.code == NOT_KNOWN:
            await self._clock.sleep(UNTIL_IT_IS_NEWER)
            return
        self._log.warning("the server refused what was decided", code=fault.code, what=fault.finding.what)
        self.refused += 1
        await self._spool.drop(parcel)
