"""Whom a node asks for leaves and when: turns, other servers, and what operators are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from tests.kit.node_line import Line, away
from tests.unit.flows.node.test_keep_leaves import SECOND, WEB, Bench
from trustplane.fault import Unavailable
from trustplane.flows.node.ask_leaves import AskLeaves
from trustplane.flows.node.keep_leaves import KeepLeaves
from trustplane.keys.leaf import LeafKey
from trustplane.rotation.leaf import Notice


def test_a_turn_that_a_server_gives_is_kept_to_the_second() -> None:
    async def play() -> None:
        bench = Bench()
        turn = Unavailable(code="issuing-busy", what="w", why="y", fix="f", retry_after=77 * SECOND)
        bench.line.refuses[WEB.spiffe_id] = turn
        bench.told(WEB)
        async with bench.running():
            assert len(bench.line.calls) == 1
            bench.line.refuses.clear()
            await bench.pass_by(77 * SECOND - timedelta(microseconds=1))
            assert len(bench.line.calls) == 1
            await bench.pass_by(timedelta(microseconds=1))
            assert bench.held(WEB) is not None

    asyncio.run(play())


def test_the_order_says_until_when_a_valid_leaf_is_held() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB)
        async with bench.running():
            until = bench.must_hold(WEB).svid.not_after
            await bench.pass_by(bench.line.renew_after)
            assert [one.held_until for one in bench.line.orders] == [None, until]

    asyncio.run(play())


def test_a_server_that_says_nothing_is_left_for_the_next_and_the_first_is_come_back_to() -> None:
    async def play() -> None:
        bench = Bench()
        other = Line(bench.domain, bench.clock)
        bench.line.waits = asyncio.Event()
        lines = (bench.line, other)

        @asynccontextmanager
        async def line(place: int) -> AsyncIterator[Line]:
            yield lines[place]

        bench.keeper = KeepLeaves(
            AskLeaves(line, len(lines), LeafKey.generate, 7, bench.clock), bench.views, bench.identities, bench.clock
        )
        bench.told(WEB)
        async with bench.running():
            await bench.pass_by(15 * SECOND)
            assert bench.held(WEB) is not None
            assert (len(bench.line.calls), len(other.calls)) == (1, 1)
            assert bench.keeper.failures == {"server-silent": 1}
            bench.line.waits.set()
            await bench.pass_by(other.renew_after)
            assert (len(bench.line.calls), len(other.calls)) == (2, 1)

    asyncio.run(play())


def test_a_leaf_that_is_not_renewed_for_long_is_told_to_be_late_once_and_when_that_ends() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB)
        async with bench.running():
            bench.line.down = away()
            await bench.pass_by(bench.line.life * 0.7)
            assert bench.keeper.late == 0
            await bench.pass_by(bench.line.life * 0.2)
            assert bench.keeper.late == 1
            bench.line.down = None
            await bench.pass_by(60 * SECOND)
            assert bench.keeper.late == 0
            assert bench.keeper.notices == {Notice.LATE: 1, Notice.RECOVERED: 1}

    asyncio.run(play())


def test_failures_change_nothing_that_a_restart_would_need_so_no_disk_is_written_for_them() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB)
        async with bench.running():
            kept = bench.keeper.kept()
            bench.line.down = away()
            await bench.pass_by(bench.line.life * 0.9)
            assert len(bench.line.calls) > 5
            assert bench.keeper.kept() == kept

    asyncio.run(play())
