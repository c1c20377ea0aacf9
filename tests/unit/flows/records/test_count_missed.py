"""What no agent took is asked of the proxies and told; what is written down goes with the parcels."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.policies import PAYMENTS
from trustplane.fault import Unavailable
from trustplane.flows.records.count_missed import LATE, SETTLED, AccountedSpool, CountMissed
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.handshake.entries import Accounted, Entries
from trustplane.handshake.told import Told
from trustplane.registry.parcels import ParcelId
from trustplane.spiffe.names import NodeName, ServiceName

ENVOY = "100@5000"
TOLD = Told({"log": "handshake"}, (1, 40, 0))


class Proxy:
    """One that counts, and tells nobody."""

    def __init__(self) -> None:
        self.count = 0
        self.answers = True

    def listening(self) -> frozenset[ServiceName]:
        return frozenset({PAYMENTS})

    def process(self, service: ServiceName) -> str | None:
        return ENVOY if service == PAYMENTS else None

    async def counted(self, service: ServiceName) -> Accounted:
        if not self.answers or service != PAYMENTS:
            raise Unavailable(code="envoy-admin-unreachable", what="away", why="it ended", fix="look")
        return Accounted(ENVOY, self.count)


class Collected:
    def __init__(self) -> None:
        self.taken = self.missed = 0

    def failed(self, service: ServiceName, told: Told) -> None:
        self.taken += (service, told) == (PAYMENTS, TOLD)

    def miss(self, count: int) -> None:
        self.missed += count


class Disk:
    """Satisfies `Accounts` and the spool of parcels; more comes while a parcel is written."""

    def __init__(self, missing: CountMissed) -> None:
        self.missing = missing
        self.is_full = False
        self.saved: list[Mapping[ServiceName, Accounted]] = []

    def save(self, accounted: Mapping[ServiceName, Accounted]) -> None:
        self.saved.append(accounted)

    async def write(self, parcel: HandshakeParcel) -> int:
        if self.is_full:
            raise Unavailable(code="spool-not-written", what="full", why="full", fix="wait")
        self.missing.failed(PAYMENTS, TOLD)
        return parcel.id.number

    async def close(self, number: int) -> None: ...


class Bench:
    def __init__(self) -> None:
        self.clock, self.proxy, self.collected = VirtualClock(), Proxy(), Collected()
        self.entries = Entries({})
        self.missing = CountMissed(self.entries, self.proxy, self.collected, self.clock)

    def look(self, *slept: timedelta) -> int:
        """At each look, how long the agent slept."""

        async def play() -> None:
            for wait in slept:
                looking = asyncio.ensure_future(self.missing.look())
                await self.clock.advance(timedelta())
                self.clock.set_back(-(wait - SETTLED))  # time that passes while nothing runs
                await self.clock.advance(SETTLED)
                await looking

        asyncio.run(play())
        return self.collected.missed


def test_what_no_agent_took_is_missed() -> None:
    bench = Bench()
    bench.proxy.count = 5
    bench.missing.failed(PAYMENTS, TOLD)
    assert bench.look(SETTLED, SETTLED, SETTLED) == 4
    assert bench.collected.taken == 1


def test_an_agent_that_slept_too_long_has_not_read_yet_what_came() -> None:
    bench = Bench()
    bench.proxy.count = 5
    assert bench.look(*[SETTLED + LATE + timedelta(seconds=1)] * 4) == 0
    assert bench.look(SETTLED, SETTLED) == 5


def test_a_proxy_that_does_not_answer_is_asked_again() -> None:
    bench = Bench()
    bench.proxy.count, bench.proxy.answers = 5, False
    assert bench.look(SETTLED, SETTLED) == 0
    bench.proxy.answers = True
    assert bench.look(SETTLED, SETTLED) == 5


def test_what_is_written_down_is_what_the_parcel_had() -> None:
    bench = Bench()
    disk = Disk(bench.missing)
    spool = AccountedSpool(disk, bench.entries, disk)
    parcel = HandshakeParcel(ParcelId(NodeName("node-a"), "a" * 32, 1), bench.clock.now())
    bench.missing.failed(PAYMENTS, TOLD)
    assert asyncio.run(spool.write(parcel)) == 1
    assert disk.saved == [{PAYMENTS: Accounted(ENVOY, 1)}]
    disk.is_full = True
    with pytest.raises(Unavailable):
        asyncio.run(spool.write(parcel))
    assert len(disk.saved) == 1, "what is not on the disk is not accounted for"
