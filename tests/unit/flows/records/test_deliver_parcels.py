"""A parcel leaves the node with its receipt, and in order."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

from tests.kit.clock import VirtualClock
from tests.kit.node_line import Domain, Line, away, running
from tests.kit.verdicts import START, kind, tally
from trustplane.fault import Refused
from trustplane.flows.records.deliver_parcels import UNTIL_IT_IS_NEWER, DeliverParcels
from trustplane.registry.parcels import ParcelId
from trustplane.spiffe.names import NodeName
from trustplane.verdict.delivery import Parcel


class Waiting:
    """Parcels on a disk."""

    def __init__(self, *numbers: int) -> None:
        self.parcels = [
            Parcel(ParcelId(NodeName("node-a"), "a" * 32, one), START, {kind(): tally(one)}) for one in numbers
        ]
        self._more = asyncio.Event()

    async def oldest(self) -> Parcel | None:
        return self.parcels[0] if self.parcels else None

    async def drop(self, parcel: Parcel) -> None:
        self.parcels.remove(parcel)

    def more(self) -> asyncio.Event:
        return self._more


class Bench:
    def __init__(self, *numbers: int) -> None:
        self.clock = VirtualClock()
        self.spool = Waiting(*numbers)
        self.line = Line(Domain(), self.clock)
        self.delivery = DeliverParcels(self.spool, self.line.deliver, self.clock)

    def delivered(self) -> list[int]:
        return [one.id.number for one in self.line.parcels]


def test_parcels_go_in_order_and_what_comes_later_too() -> None:
    async def play() -> None:
        bench = Bench(1, 2)
        async with running(bench.delivery.run(Random(1))):
            await bench.clock.advance(timedelta(seconds=1))
            assert bench.delivered() == [1, 2]
            bench.spool.parcels = Waiting(3).parcels
            bench.spool.more().set()
            await bench.clock.advance(timedelta(seconds=1))
            assert (bench.delivered(), bench.spool.parcels) == ([1, 2, 3], [])

    asyncio.run(play())


def test_without_a_server_they_stay() -> None:
    async def play() -> None:
        bench = Bench(1)
        bench.line.down = away()
        async with running(bench.delivery.run(Random(1))):
            await bench.clock.advance(timedelta(hours=1))
            assert len(bench.spool.parcels) == 1
            bench.line.down = None
            await bench.clock.advance(timedelta(minutes=1))
            assert bench.delivered() == [1]

    asyncio.run(play())


def test_a_server_of_before_is_asked_again_and_they_stay() -> None:
    async def play() -> None:
        bench = Bench(1)
        bench.line.down = Refused(code="peer-refused", what="UNIMPLEMENTED", why="old", fix="upgrade")
        async with running(bench.delivery.run(Random(1))):
            await bench.clock.advance(UNTIL_IT_IS_NEWER / 2)
            bench.line.down = None
            assert len(bench.spool.parcels) == 1
            await bench.clock.advance(UNTIL_IT_IS_NEWER)
            assert bench.delivered() == [1]

    asyncio.run(play())


def test_what_the_server_refuses_does_not_hold_up_the_rest() -> None:
    async def play() -> None:
        bench = Bench(1)
        bench.line.down = Refused(code="bad-parcel", what="no", why="no", fix="no")
        async with running(bench.delivery.run(Random(1))):
            await bench.clock.advance(timedelta(seconds=1))
            assert (bench.spool.parcels, bench.delivery.refused) == ([], 1)

    asyncio.run(play())
