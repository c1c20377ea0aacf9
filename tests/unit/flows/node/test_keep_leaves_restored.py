"""Leaves of before a restart are served at once, by the clock and no longer than they last."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.kit.clock import VirtualClock
from tests.kit.node_line import away, running
from tests.unit.flows.node.test_keep_leaves import API, SECOND, WEB, Bench
from trustplane.flows.node.serve_identities import HeldIdentities


def test_what_was_kept_is_served_after_a_restart_before_any_server_is_asked() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB, API)
        async with bench.running():
            kept = bench.keeper.kept()
            before = bench.must_hold(WEB)
        view = bench.views.value
        assert view is not None
        bench.line.down = away()
        restarted = bench.started(bench.clock)
        bench.identities.publish(HeldIdentities.nothing_yet())
        restarted.restore(view, kept)
        assert bench.must_hold(WEB).svid.serial == before.svid.serial
        assert restarted.kept() == kept
        async with running(restarted.run()):
            await bench.pass_by(bench.line.life - SECOND)
            assert bench.must_hold(WEB).svid.serial == before.svid.serial
            await bench.pass_by(SECOND)
            assert bench.held(WEB) is None
            bench.line.down = None
            await bench.pass_by(timedelta(seconds=31))
            assert bench.must_hold(WEB).svid.serial != before.svid.serial

    asyncio.run(play())


def test_a_kept_leaf_whose_entry_has_gone_is_not_served() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB, API)
        async with bench.running():
            kept = bench.keeper.kept()
        bench.told(WEB)
        view = bench.views.value
        assert view is not None
        bench.keeper.restore(view, kept)
        assert [leaf.entry for leaf in bench.keeper.leaves] == [WEB]
        assert {held.spiffe_id for held, _ in bench.identities.value.held} == {WEB.spiffe_id}

    asyncio.run(play())


def test_a_leaf_that_is_not_yet_valid_is_not_served_until_the_clock_says_so_and_asked_for_calmly() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB)
        async with bench.running():
            kept, view = bench.keeper.kept(), bench.views.value
        assert view is not None
        # The machine comes up with a clock that is two hours behind.
        behind = VirtualClock(bench.clock.now() - timedelta(hours=2))
        woken = bench.started(behind)
        woken.restore(view, kept)
        asked = len(bench.line.calls)
        assert bench.held(WEB) is None
        async with running(woken.run()):
            await behind.advance(timedelta(hours=1))
            assert bench.held(WEB) is None
            assert len(bench.line.calls) - asked <= 15
            await behind.advance(timedelta(hours=1))
            assert bench.held(WEB) is not None

    asyncio.run(play())


def test_a_fresh_leaf_that_only_a_wrong_clock_makes_invalid_names_the_clock() -> None:
    async def play() -> None:
        bench = Bench()
        for offset, code in ((timedelta(hours=-3), "clock-behind"), (timedelta(hours=3), "clock-ahead")):
            clock = VirtualClock(bench.clock.now() + offset)
            wrong = bench.started(clock)
            bench.told(WEB)
            async with running(wrong.run()):
                await clock.advance(SECOND)
                fault = wrong.leaves[0].last_fault
                assert fault is not None
                assert fault.code == code
                assert bench.held(WEB) is None
                await clock.advance(timedelta(minutes=5))
                assert wrong.failures[code] < 60

    asyncio.run(play())


def test_what_an_earlier_version_kept_without_a_machine_is_renewed_when_it_said() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB, API)
        async with bench.running():
            web, api = sorted(bench.keeper.kept(), key=lambda one: one.keyed.svid.spiffe_id == API.spiffe_id)
        view = bench.views.value
        assert view is not None
        asked = len(bench.line.calls)
        old = bench.started(bench.clock)
        old.restore(view, (replace(web, renewal=None), replace(api, renewal=None, renew_at=None)))
        async with running(old.run()):
            await bench.pass_by(SECOND)
            assert bench.line.calls[asked:] == [(API.spiffe_id,)], "it was wanted at once"
            await bench.pass_by(bench.line.renew_after)
            assert any(WEB.spiffe_id in call for call in bench.line.calls[asked:])

    asyncio.run(play())
