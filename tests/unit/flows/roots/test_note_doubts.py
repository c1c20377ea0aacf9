"""A proxy in doubt is an event: once when it begins, once when it is over, and never so many as to fill the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.kit.clock import VirtualClock
from tests.kit.node_line import NODE
from trustplane.flows.roots.note_doubts import EVENTS_AN_HOUR, NoteDoubts
from trustplane.registry.records import Holding
from trustplane.spiffe.names import NodeName, ServiceName

WEB = "sidecar shop/web"


class Table:
    """What reached the store, in order."""

    def __init__(self) -> None:
        self.audited: list[dict[str, str]] = []
        self.kept: list[Holding] = []
        self.dropped: list[str] = []
        self.hosted: frozenset[ServiceName] = frozenset()

    async def put_holdings(self, holdings: Sequence[Holding]) -> None:
        self.kept += holdings

    async def drop_participants(self, node: NodeName, participants: Sequence[str]) -> None:
        assert node == NODE
        self.dropped += participants

    async def holdings(self) -> Sequence[Holding]:
        return self.kept

    async def put_hosting(self, node: NodeName, services: frozenset[ServiceName], at: datetime) -> None:
        assert (node, at.tzinfo is not None) == (NODE, True)
        self.hosted = services

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int:
        assert not self.kept or at.tzinfo
        self.audited += [json.loads(one) for one in bodies]
        return len(self.audited)


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.table = Table()
        self.notes = NoteDoubts(self.table, self.clock)

    def say(self, refusal: str, thing: str = "proxy/xds") -> None:
        held = Holding(NODE, WEB, thing, "listening", "" if refusal else "listening", refusal, self.clock.now())
        asyncio.run(self.notes.put_holdings([held]))

    @property
    def events(self) -> list[str]:
        return [one["event"] for one in self.table.audited]


def test_it_is_written_when_it_begins_and_when_it_is_over() -> None:
    bench = Bench()
    for refusal in ("", "silent", "silent", "silent still", "", ""):
        bench.say(refusal)
    assert bench.events == ["proxy-in-doubt", "proxy-no-longer-in-doubt"]
    assert bench.table.audited[0]["why"] == "silent"
    assert len(bench.table.kept) == 6


def test_a_refusal_of_what_was_sent_is_no_doubt() -> None:
    bench = Bench()
    bench.say("no such port", "listener/inbound")
    assert bench.events == []


def test_who_is_gone_and_comes_back_in_doubt_is_written_again() -> None:
    bench = Bench()
    bench.say("silent")
    asyncio.run(bench.notes.drop_participants(NODE, [WEB]))
    bench.say("silent")
    assert bench.events == ["proxy-in-doubt", "proxy-in-doubt"]
    assert bench.table.dropped == [WEB]


def test_one_that_goes_back_and_forth_fills_no_log() -> None:
    bench = Bench()
    for _ in range(EVENTS_AN_HOUR):
        bench.say("silent")
        bench.say("")
    assert len(bench.events) == EVENTS_AN_HOUR
    asyncio.run(bench.clock.advance(timedelta(hours=1)))
    bench.say("silent")
    assert len(bench.events) == EVENTS_AN_HOUR + 1


def test_everything_else_goes_through() -> None:
    bench = Bench()
    bench.say("")
    services = frozenset({ServiceName("shop", "web")})
    asyncio.run(bench.notes.put_hosting(NODE, services, bench.clock.now()))
    assert bench.table.hosted == services
    assert list(asyncio.run(bench.notes.holdings())) == bench.table.kept
