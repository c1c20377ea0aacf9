"""A service is hosted here from the moment its sidecar listens until a while after it went, over a restart too."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.kit.clock import VirtualClock
from tests.kit.node_line import NODE, running
from trustplane.fault import Refused
from trustplane.flows.node.follow_server import Outbox
from trustplane.flows.node.node_link import HoldingsReport, HostingReport, Report
from trustplane.flows.roots.sidecar_uptake import INBOUND, LINGER, SidecarUptake
from trustplane.spiffe.names import ServiceName
from trustplane.xds.conversation import Held

WEB = ServiceName("shop", "web")
SIDECAR = f"sidecar {WEB}"


class MemoryFile:
    def __init__(self, *services: ServiceName) -> None:
        self.kept = frozenset(services)

    def load(self) -> frozenset[ServiceName]:
        return self.kept

    def save(self, services: frozenset[ServiceName]) -> None:
        self.kept = services


class Bench:
    def __init__(self, *before: ServiceName) -> None:
        self.clock = VirtualClock()
        self.outbox = Outbox()
        self.file = MemoryFile(*before)
        self.uptake = SidecarUptake(NODE, self.outbox, self.file, self.clock)

    def attach(self) -> None:
        self.uptake.opened(str(WEB), managed=True)
        self.uptake.report(str(WEB), Held(INBOUND, "d", "d", ""))

    def said(self) -> list[Report]:
        return self.outbox.take()


def hosting(*services: ServiceName) -> HostingReport:
    return HostingReport(frozenset(services))


def test_a_sidecar_hosts_its_service_once_it_listens() -> None:
    bench = Bench()
    assert bench.said() == [hosting()]
    bench.uptake.opened(str(WEB), managed=True)
    bench.uptake.report(str(WEB), Held("cluster/x", "d", "d", ""))
    assert hosting(WEB) not in bench.said()
    bench.uptake.report(str(WEB), Held(INBOUND, "d", "", "no such port"))
    assert hosting(WEB) not in bench.said()
    bench.uptake.report(str(WEB), Held(INBOUND, "d", "d", ""))
    assert hosting(WEB) in bench.said()
    assert bench.file.kept == {WEB}


def test_it_goes_on_hosting_for_a_while_after_its_stream_ended_and_no_longer() -> None:
    async def play() -> None:
        bench = Bench()
        bench.attach()
        bench.said()
        async with running(bench.uptake.run()):
            bench.uptake.closed(str(WEB), managed=True)
            await bench.clock.advance(LINGER - timedelta(seconds=6))
            assert bench.said() == []
            await bench.clock.advance(timedelta(seconds=12))
            said = bench.said()
            assert hosting() in said
            assert HoldingsReport((), (SIDECAR,)) in said
            assert bench.file.kept == frozenset()
            assert bench.uptake.sidecars == ()

    asyncio.run(play())


def test_one_that_comes_back_in_time_never_stopped_hosting() -> None:
    async def play() -> None:
        bench = Bench()
        bench.attach()
        bench.said()
        async with running(bench.uptake.run()):
            bench.uptake.closed(str(WEB), managed=True)
            await bench.clock.advance(LINGER / 2)
            bench.attach()
            await bench.clock.advance(LINGER * 2)
            assert not any(isinstance(one, HostingReport) for one in bench.said())

    asyncio.run(play())


def test_an_old_stream_that_ends_after_the_new_one_began_changes_nothing() -> None:
    async def play() -> None:
        bench = Bench()
        bench.attach()
        bench.attach()
        bench.uptake.closed(str(WEB), managed=True)
        async with running(bench.uptake.run()):
            await bench.clock.advance(LINGER * 2)
            assert [one.streams for one in bench.uptake.sidecars] == [1]

    asyncio.run(play())


def test_after_a_restart_the_server_is_told_what_was_hosted_and_soon_what_did_not_come_back() -> None:
    async def play() -> None:
        bench = Bench(WEB)
        assert bench.said() == [hosting(WEB)]
        async with running(bench.uptake.run()):
            await bench.clock.advance(LINGER + timedelta(seconds=6))
            assert hosting() in bench.said(), "else its callers would be sent there for ever"
            assert bench.file.kept == frozenset()

    asyncio.run(play())


def test_an_agent_that_remembers_nothing_says_so_because_the_server_may() -> None:
    assert Bench().said() == [hosting()]


def test_an_envoy_that_is_not_ours_is_forgotten_with_its_connection() -> None:
    bench = Bench()
    bench.said()
    bench.uptake.opened("unix:7 'x'", managed=False)
    bench.uptake.report("unix:7 'x'", Held("secret/default", "d", "d", ""))
    (told,) = bench.said()
    assert isinstance(told, HoldingsReport)
    assert [one.participant for one in told.holdings] == ["envoy unix:7 'x'"]
    bench.uptake.closed("unix:7 'x'", managed=False)
    assert bench.said() == [HoldingsReport((), ("envoy unix:7 'x'",))]
    assert bench.outbox.holdings == ()


def test_a_service_may_be_called_unix() -> None:
    bench = Bench()
    unix = ServiceName("unix", "web")
    bench.uptake.opened(str(unix), managed=True)
    bench.uptake.report(str(unix), Held(INBOUND, "d", "d", ""))
    assert [one.participant for one in bench.uptake.holdings_of(unix)] == ["sidecar unix/web"]


def test_since_is_when_what_is_held_last_changed_and_refusals_are_cut() -> None:
    async def play() -> None:
        bench = Bench()
        bench.attach()
        (first,) = bench.uptake.holdings_of(WEB)
        await bench.clock.advance(timedelta(seconds=9))
        bench.uptake.report(str(WEB), Held(INBOUND, "d", "d", ""))
        assert bench.uptake.holdings_of(WEB) == (first,)
        bench.uptake.report(str(WEB), Held(INBOUND, "e", "d", "x" * 9999))
        (now,) = bench.uptake.holdings_of(WEB)
        assert now.since == bench.clock.now()
        assert len(now.refusal) == 2000

    asyncio.run(play())


def test_what_the_guards_held_back_is_shown_until_the_next_stream() -> None:
    bench = Bench()
    bench.attach()
    bench.uptake.refused(WEB, Refused(code="xds-unsound", what="w", why="y", fix="f"))
    assert "xds-unsound" in bench.uptake.sidecars[0].refusal
    bench.uptake.refused(ServiceName("shop", "unknown"), Refused(code="x", what="w", why="y", fix="f"))
    assert [one.service for one in bench.uptake.sidecars] == [WEB]


def test_one_whose_process_lives_on_without_a_stream_is_reached_no_more_but_not_forgotten() -> None:
    async def play() -> None:
        bench = Bench()
        bench.attach()
        bench.said()
        alive = True
        async with running(bench.uptake.run(lambda _: alive)):
            bench.uptake.closed(str(WEB), managed=True)
            await bench.clock.advance(LINGER * 2)
            assert bench.said() == [hosting()]
            assert [one.held for one in bench.uptake.holdings_of(WEB)] == ["d"]
            alive = False
            await bench.clock.advance(LINGER)
            assert HoldingsReport((), (SIDECAR,)) in bench.said()

    asyncio.run(play())
