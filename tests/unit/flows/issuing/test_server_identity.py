"""A server always has an SVID of its own to show, renewed in time and asked for without haste when that fails."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from random import Random

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.node_line import ACME, Domain, away, running
from trustplane.fault import Broken, Fault, Unavailable
from trustplane.flows.issuing.issue import Issued
from trustplane.flows.issuing.server_identity import KeepServerIdentity
from trustplane.keys.leaf import LeafKey
from trustplane.spiffe.names import NodeName, server_id

S1 = NodeName("s1")
HOUR = timedelta(hours=1)


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.domain = Domain()
        self.down: Fault | None = None
        self.renew_after = HOUR / 2
        self.asked = 0
        self.keeper = KeepServerIdentity(S1, self, LeafKey.generate, self.clock)

    async def issue_server(self, instance: NodeName, csr_der: bytes, at: datetime) -> Issued | Fault:
        self.asked += 1
        if self.down is not None:
            return self.down
        svid = self.domain.signed(csr_der, server_id(ACME, instance), at - timedelta(seconds=30), at + HOUR)
        return Issued(svid.der(), svid.serial, svid.not_after, at + self.renew_after)

    def serial(self) -> int | None:
        keyed = self.keeper.identity.value
        return keyed.svid.serial if keyed else None


def test_it_is_there_before_a_door_opens_and_renewed_when_due() -> None:
    async def play() -> None:
        bench = Bench()
        first = (await bench.keeper.obtain()).svid.serial
        assert bench.serial() == first
        async with running(bench.keeper.run(Random(7))):
            await bench.clock.advance(bench.renew_after - timedelta(seconds=1))
            assert bench.serial() == first
            await bench.clock.advance(timedelta(seconds=1))
            assert bench.serial() != first

    asyncio.run(play())


def test_a_server_that_cannot_be_given_one_does_not_start() -> None:
    bench = Bench()
    bench.down = away()
    with pytest.raises(Unavailable):
        asyncio.run(bench.keeper.obtain())


@pytest.mark.parametrize("fault", [away(), Broken(code="x", what="w", why="y", fix="f")])
def test_one_that_cannot_be_renewed_is_shown_on_and_asked_for_again(fault: Fault) -> None:
    async def play() -> None:
        bench = Bench()
        first = (await bench.keeper.obtain()).svid.serial
        async with running(bench.keeper.run(Random(7))):
            bench.down = fault
            await bench.clock.advance(bench.renew_after + timedelta(minutes=5))
            assert bench.serial() == first
            assert 5 <= bench.asked <= 60
            bench.down = None
            await bench.clock.advance(timedelta(seconds=31))
            assert bench.serial() != first

    asyncio.run(play())


def test_an_authority_about_to_expire_is_not_asked_without_pause() -> None:
    async def play() -> None:
        bench = Bench()
        bench.renew_after = timedelta(0)
        await bench.keeper.obtain()
        async with running(bench.keeper.run(Random(7))):
            await bench.clock.advance(timedelta(minutes=5))
            assert bench.asked <= 3

    asyncio.run(play())
