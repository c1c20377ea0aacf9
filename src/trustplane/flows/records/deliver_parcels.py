"""Parcels from the node's disk to the server, the oldest first, each until its receipt has come.

A parcel leaves the disk only with its receipt. What the server refuses as no parcel is dropped and counted; a server of
before that knows no parcels is asked again from time to time, and the disk's bound holds meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import Generic, Protocol, TypeVar

import structlog

from trustplane.clock import Clock
from trustplane.fault import Refused, Unavailable
from trustplane.flows.retry import Patience
from trustplane.registry.parcels import ParcelId

LONGEST_WAIT = timedelta(seconds=30)
UNTIL_IT_IS_NEWER = timedelta(minutes=5)
NOT_KNOWN = "peer-refused"  # what a call becomes that the other side does not have


class Numbered(Protocol):
    @property
    def id(self) -> ParcelId: ...


P = TypeVar("P", bound=Numbered)


class Outgoing(Protocol[P]):
    async def oldest(self) -> P | None:
        """Of those that are complete."""
        ...

    async def drop(self, parcel: P) -> None: ...

    def more(self) -> asyncio.Event:
        """Set when another is complete."""
        ...


class DeliverParcels(Generic[P]):
    def __init__(self, spool: Outgoing[P], send: Callable[[P], Awaitable[int]], clock: Clock) -> None:
        """`send` answers with the highest number of that stream that the server keeps."""
        self._spool = spool
        self._send = send
        self._clock = clock
        self._log = structlog.get_logger("parcels")
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

    async def deliver(self, parcel: P) -> None:
        if await self._send(parcel) >= parcel.id.number:
            await self._spool.drop(parcel)
            self.delivered += 1

    async def _refused(self, parcel: P, fault: Refused) -> None:
        if fault.code == NOT_KNOWN:
            await self._clock.sleep(UNTIL_IT_IS_NEWER)
            return
        self._log.warning("the server refused what proxies told", code=fault.code, what=fault.finding.what)
        self.refused += 1
        await self._spool.drop(parcel)
