"""What is decided is counted into parcels, and no request is counted nowhere."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.node_line import running
from tests.kit.policies import CHECKOUT, PAYMENTS
from trustplane.fault import Unavailable
from trustplane.flows.records import count_decisions
from trustplane.flows.records.count_decisions import CountDecisions
from trustplane.registry.parcels import Losses
from trustplane.spiffe.names import NodeName
from trustplane.verdict.delivery import Parcel
from trustplane.verdict.folding import Asked
from trustplane.verdict.logged import Logged
from trustplane.verdict.tally import requests

ALLOWED = '{"enforced_effective_policy_id":"charge","enforced_engine_result":"allowed"}'
DENIED = '{"enforced_engine_result":"denied"}'


def line(path: str = "/charge", judged: str = ALLOWED, times: int = 1, method: str = "POST") -> Logged:
    return Logged(str(CHECKOUT), f"20203 {method} {path}", judged, times, "id")


class MemorySpool:
    def __init__(self) -> None:
        self.written: dict[int, Parcel] = {}
        self.closed: list[int] = []
        self.full = False
        self.makes_room = 0

    async def write(self, parcel: Parcel) -> int:
        if self.full:
            raise Unavailable(code="spool-not-written", what="full", why="full", fix="wait")
        self.written[parcel.id.number] = parcel
        made, self.makes_room = self.makes_room, 0
        return made

    async def close(self, number: int) -> None:
        assert number in self.written
        self.closed.append(number)

    def requests(self) -> int:
        return sum(requests(one.tallies) for one in self.written.values())


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.spool = MemorySpool()
        self.counting = CountDecisions(NodeName("node-a"), "a" * 32, lambda _: Asked(), self.spool, self.clock)

    def decide(self, *lines: Logged) -> None:
        for one in lines:
            self.counting.decided(PAYMENTS, one)

    async def pass_(self, seconds: float) -> None:
        await self.clock.advance(timedelta(seconds=seconds))


def test_a_parcel_is_on_disk_within_seconds_and_closed_after_a_minute() -> None:
    async def play() -> None:
        bench = Bench()
        async with running(bench.counting.run()):
            bench.decide(line(times=3))
            await bench.pass_(2)
            assert (bench.spool.requests(), bench.spool.closed) == (3, [])
            bench.decide(line(times=4))
            await bench.pass_(56)
            assert (bench.spool.requests(), bench.spool.closed) == (7, [])
            await bench.pass_(6)
            assert bench.spool.closed == [1]
            bench.decide(line(times=5))
            await bench.pass_(2)
            assert [requests(one.tallies) for one in bench.spool.written.values()] == [7, 5]

    asyncio.run(play())


def test_a_denial_is_not_kept_waiting() -> None:
    async def play() -> None:
        bench = Bench()
        async with running(bench.counting.run()):
            bench.decide(line(judged=DENIED))
            await bench.pass_(10)
            assert bench.spool.closed == [1]

    asyncio.run(play())


def test_what_a_full_disk_does_not_take_stays_in_memory_and_is_written_later() -> None:
    async def play() -> None:
        bench = Bench()
        async with running(bench.counting.run()):
            bench.spool.full = True
            bench.decide(line(times=3))
            await bench.pass_(120)
            assert bench.spool.requests() == 0
            bench.spool.full = False
            bench.decide(line(times=4))
            await bench.pass_(4)
            assert bench.spool.requests() == 7
            assert bench.counting.dropped == 0

    asyncio.run(play())


def test_what_had_to_make_room_is_told_to_the_server() -> None:
    async def play() -> None:
        bench = Bench()
        bench.spool.makes_room = 11
        bench.decide(line())
        await bench.counting.keep()
        await bench.counting.close()
        assert bench.spool.written[1].losses == Losses(dropped=11)

    asyncio.run(play())


def test_kinds_that_do_not_fit_are_counted_as_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_decisions, "MOST_KINDS", 2)

    async def play() -> None:
        bench = Bench()
        bench.decide(line("/1"), line("/2"), line("/3", times=5), line("/1"))
        await bench.counting.close()
        (parcel,) = bench.spool.written.values()
        assert (requests(parcel.tallies), parcel.losses) == (3, Losses(dropped=5))

    asyncio.run(play())


def test_paths_and_methods_that_callers_make_up_are_folded() -> None:
    async def play() -> None:
        bench = Bench()
        bench.decide(*(line(f"/{number}", DENIED) for number in range(1000)))
        bench.decide(*(line("/1", DENIED, method=f"M{number}") for number in range(1000)))
        await bench.counting.close()
        (parcel,) = bench.spool.written.values()
        assert requests(parcel.tallies) == 2000
        assert len(parcel.tallies) == 202
        assert parcel.losses == Losses(folded=1800)

    asyncio.run(play())


def test_what_cannot_be_read_is_counted_as_unread() -> None:
    bench = Bench()
    bench.decide(line(judged="{}", times=2), Logged("", "", "", 3, ""), Logged("", "1 GET /", DENIED, 1, "\x1b[31m"))
    assert (bench.counting.unread, bench.counting.counted) == (5, 1)


def test_nothing_decided_writes_nothing() -> None:
    async def play() -> None:
        bench = Bench()
        async with running(bench.counting.run()):
            await bench.pass_(300)
        await bench.counting.close()
        assert bench.spool.written == {}

    asyncio.run(play())
