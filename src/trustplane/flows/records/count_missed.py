"""Failures that proxies of this node wrote for their agent and that no agent took, found by the proxies' own figures.

Nothing is asked of a proxy but its counters, and nothing is kept but how many of its entries are accounted for. That is
written down together with the entries themselves, so that what an agent took and lost by being killed is missed by the
next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault
from trustplane.flows.records.parcels import Spool
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.handshake.entries import Accounted, Entries
from trustplane.handshake.told import Told
from trustplane.spiffe.names import ServiceName

STEP = timedelta(seconds=10)
SETTLED = timedelta(seconds=3)  # an entry waits a second in its proxy
LATE = timedelta(seconds=3)  # whoever slept this long has not read yet what came
AT_ONCE = 8


class Proxies(Protocol):
    def listening(self) -> frozenset[ServiceName]: ...

    def process(self, service: ServiceName) -> str | None:
        """What names the one behind a sidecar, beyond any restart of the agent; None if it cannot be seen."""
        ...

    async def counted(self, service: ServiceName) -> Accounted:
        """Entries of failures that it wrote for its agent, by itself; refused if it cannot be asked."""
        ...


class Collecting(Protocol):
    def failed(self, service: ServiceName, told: Told) -> None: ...

    def miss(self, count: int) -> None: ...


class Accounts(Protocol):
    """Where it is kept over a restart of the agent."""

    def save(self, accounted: Mapping[ServiceName, Accounted]) -> None: ...


class AccountedSpool:
    """A spool that writes down what is accounted for as of each parcel. Between the two writes an agent may be killed;
    then the next one misses what the parcel has."""

    def __init__(self, spool: Spool[HandshakeParcel], entries: Entries, accounts: Accounts) -> None:
        self._spool = spool
        self._entries = entries
        self._accounts = accounts

    async def write(self, parcel: HandshakeParcel) -> int:
        accounted = self._entries.accounted
        left = await self._spool.write(parcel)
        self._accounts.save(accounted)
        return left

    async def close(self, number: int) -> None:
        await self._spool.close(number)


class CountMissed:
    """Satisfies `wire.access_logs.Failures`, in front of who collects them."""

    def __init__(self, entries: Entries, proxies: Proxies, collecting: Collecting, clock: Clock) -> None:
        self._entries = entries
        self._proxies = proxies
        self._collecting = collecting
        self._clock = clock
        self._log = structlog.get_logger("handshakes")

    def failed(self, service: ServiceName, told: Told) -> None:
        self._entries.came(service, self._proxies.process(service))
        self._collecting.failed(service, told)

    async def run(self) -> None:
        while True:
            await self._clock.sleep(STEP)
            await self.look()

    async def look(self) -> None:
        services, counted = sorted(self._proxies.listening()), dict[ServiceName, Accounted]()
        for start in range(0, len(services), AT_ONCE):
            some = services[start : start + AT_ONCE]
            counted |= {
                one: said for one, said in zip(some, await asyncio.gather(*map(self._asked, some)), strict=True) if said
            }
        asked_at = self._clock.now()
        await self._clock.sleep(SETTLED)
        if self._clock.now() - asked_at > SETTLED + LATE:
            return
        lost = self._entries.looked(counted)
        if lost:
            self._log.warning("proxies wrote of failures that no agent took", failures=lost)
            self._collecting.miss(lost)

    async def _asked(self, service: ServiceName) -> Accounted | None:
        try:
            return await self._proxies.counted(service)
        except Fault:
            return None  # whoever measures connections says that an Envoy does not answer
