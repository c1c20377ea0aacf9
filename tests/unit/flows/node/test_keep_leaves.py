"""Every entry has a valid SVID as long as any server answers in time, and nothing expired is ever held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from tests.kit.clock import VirtualClock
from tests.kit.node_line import ACME, Domain, Line, away, running
from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.flows.feed import Feed
from trustplane.flows.node.ask_leaves import AskLeaves
from trustplane.flows.node.keep_leaves import ORDERS_A_CALL, KeepLeaves
from trustplane.flows.node.leaf import Leaf
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.keys.leaf import LeafKey
from trustplane.registry.model import KeyKind
from trustplane.registry.view import Entry, NodeView, TrustedBundle
from trustplane.spiffe.names import ServiceName, default_id
from trustplane.spiffe.selectors import Selector
from trustplane.spiffe.x509_svid import KeyedSvid

SECOND = timedelta(seconds=1)


def entry(name: str, profile: str = "standard@1", key: KeyKind = KeyKind.P256) -> Entry:
    service = ServiceName("shop", name)
    return Entry(service, default_id(ACME, service), frozenset({Selector("unix:uid", "1")}), key, profile)


WEB, API = entry("web"), entry("api")


def refused(code: str = "not-entitled") -> Refused:
    return Refused(code=code, what="not for you", why="no entry", fix="add one")


class Bench:
    """A keeper of leaves, the view it follows and the server it asks."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.domain = Domain()
        self.line = Line(self.domain, self.clock)
        self.views: Feed[NodeView | None] = Feed(None)
        self.identities = Feed(HeldIdentities.nothing_yet())
        self.keeper = self.started(self.clock)

    def started(self, clock: Clock) -> KeepLeaves:
        """A keeper as after a start, on that clock."""
        asking = AskLeaves(self.line.line, 1, LeafKey.generate, 7, clock)
        return KeepLeaves(asking, self.views, self.identities, clock)

    def told(self, *entries: Entry, bundle: TrustedBundle | None = None) -> None:
        ordered = tuple(sorted(entries, key=lambda one: one.spiffe_id))
        self.views.publish(NodeView(1, ordered, (), (bundle or self.domain.trusted(),)))

    def held(self, one: Entry) -> KeyedSvid | None:
        return {held.spiffe_id: keyed for held, keyed in self.identities.value.held}.get(one.spiffe_id)

    def must_hold(self, one: Entry) -> KeyedSvid:
        keyed = self.held(one)
        assert keyed is not None
        return keyed

    def leaf(self, one: Entry) -> Leaf:
        return next(leaf for leaf in self.keeper.leaves if leaf.entry.spiffe_id == one.spiffe_id)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with running(self.keeper.run()):
            await self.pass_by(timedelta(0))
            yield

    async def pass_by(self, duration: timedelta) -> None:
        await self.clock.advance(duration)


def test_each_entry_is_supplied_and_renewed_with_a_new_key_each_time() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB, API)
        async with bench.running():
            first = bench.must_hold(WEB)
            assert bench.must_hold(API).svid.spiffe_id == API.spiffe_id
            await bench.pass_by(bench.line.renew_after)
            second = bench.must_hold(WEB)
            assert second.svid.serial != first.svid.serial
            assert second.svid.leaf.public_key() != first.svid.leaf.public_key()
            assert bench.leaf(WEB).renewals == 1

    asyncio.run(play())


def test_an_entry_that_is_refused_holds_up_no_other_and_is_asked_for_again() -> None:
    async def play() -> None:
        bench = Bench()
        bench.line.refuses[WEB.spiffe_id] = refused()
        bench.told(WEB, API)
        async with bench.running():
            assert bench.held(API) is not None
            assert bench.held(WEB) is None
            fault = bench.leaf(WEB).last_fault
            assert fault is not None
            assert fault.code == "not-entitled"
            bench.line.refuses.clear()
            await bench.pass_by(5 * SECOND)
            assert bench.held(WEB) is not None
            assert bench.leaf(WEB).last_fault is None

    asyncio.run(play())


def test_a_leaf_serves_while_no_server_answers_and_is_gone_the_moment_it_expires() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB)
        async with bench.running():
            expiry = bench.must_hold(WEB).svid.not_after
            bench.line.down = away(timedelta(minutes=10))  # as long as any retry may be put off
            await bench.pass_by(expiry - bench.clock.now() - SECOND)
            assert bench.held(WEB) is not None
            await bench.pass_by(SECOND)
            assert bench.held(WEB) is None

    asyncio.run(play())


def test_a_leaf_is_gone_at_its_expiry_also_while_a_call_hangs() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB)
        async with bench.running():
            bench.line.waits = asyncio.Event()
            await bench.pass_by(bench.must_hold(WEB).svid.not_after - bench.clock.now())
            assert len(bench.line.calls) > 2, "what is not answered is asked for again"
            assert bench.held(WEB) is None

    asyncio.run(play())


def test_an_entry_that_goes_takes_its_leaf_with_it_at_once_and_for_good() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB, API)
        async with bench.running():
            bench.line.waits = asyncio.Event()
            await bench.pass_by(bench.line.renew_after)  # both are under way now
            bench.told(API)
            await bench.pass_by(timedelta(0))
            assert bench.held(WEB) is None
            bench.line.waits.set()
            await bench.pass_by(SECOND)
            assert [leaf.entry for leaf in bench.keeper.leaves] == [API]
            assert [one for one, _ in bench.identities.value.held] == [API]

    asyncio.run(play())


def test_a_changed_profile_is_asked_for_at_once_and_the_old_leaf_serves_until_then() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB)
        async with bench.running():
            old = bench.must_hold(WEB)
            bench.line.waits = asyncio.Event()
            bench.told(replace(WEB, profile="standard@2", key=KeyKind.P384))
            async with asyncio.timeout(20):
                await bench.line.heard(2)  # a P-384 key is made in a thread
            assert bench.held(WEB) == old
            bench.line.waits.set()
            await bench.pass_by(timedelta(0))
            assert bench.must_hold(WEB).svid.leaf.public_key() != old.svid.leaf.public_key()
            assert bench.leaf(WEB).entry.profile == "standard@2"

    asyncio.run(play())


def test_a_profile_that_changes_while_its_leaf_is_under_way_is_asked_for_again() -> None:
    async def play() -> None:
        bench = Bench()
        bench.line.waits = asyncio.Event()
        bench.told(WEB)
        async with bench.running():
            bench.told(replace(WEB, profile="standard@2"))
            await bench.pass_by(timedelta(0))
            bench.line.waits.set()
            await bench.pass_by(timedelta(0))
            assert bench.line.calls == [(WEB.spiffe_id,)] * 2
            assert bench.leaf(WEB).renew_at is not None

    asyncio.run(play())


def test_many_entries_are_asked_for_in_calls_of_bounded_size_those_without_a_leaf_first() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB)
        async with bench.running():
            await bench.pass_by(bench.line.renew_after - SECOND)
            bench.line.waits = asyncio.Event()
            many = [entry(f"s{number}") for number in range(ORDERS_A_CALL + 5)]
            bench.told(WEB, *many)
            await bench.pass_by(SECOND)  # WEB is due too now
            bench.line.waits.set()
            await bench.pass_by(timedelta(0))
            assert [len(call) for call in bench.line.calls] == [1, ORDERS_A_CALL, 6]
            assert WEB.spiffe_id in bench.line.calls[2]
            assert all(bench.held(one) for one in many)

    asyncio.run(play())


def test_when_the_line_fails_all_are_asked_for_again_together_within_the_longest_wait() -> None:
    async def play() -> None:
        bench = Bench()
        bench.line.down = away()
        bench.told(WEB, API)
        async with bench.running():
            await bench.pass_by(timedelta(minutes=5))
            tried = len(bench.line.calls)
            assert 10 <= tried <= 60
            bench.line.down = None
            await bench.pass_by(timedelta(seconds=30))
            assert bench.line.calls[tried:] == [(API.spiffe_id, WEB.spiffe_id)]

    asyncio.run(play())


def test_an_issuer_whose_clock_is_behind_does_not_make_it_renew_without_pause() -> None:
    async def play() -> None:
        bench = Bench()
        bench.line.renew_after = timedelta(minutes=-5)
        bench.told(WEB)
        async with bench.running():
            await bench.pass_by(timedelta(minutes=1))
            assert len(bench.line.calls) <= 3

    asyncio.run(play())


def test_an_issuer_that_says_renew_after_the_expiry_is_not_followed() -> None:
    async def play() -> None:
        bench = Bench()
        bench.line.renew_after = timedelta(days=1)
        bench.told(WEB)
        async with bench.running():
            expiry = bench.must_hold(WEB).svid.not_after
            await bench.pass_by(expiry - bench.clock.now() - SECOND)
            assert bench.must_hold(WEB).svid.not_after > expiry

    asyncio.run(play())


def test_a_leaf_for_another_is_not_used() -> None:
    async def play() -> None:
        bench = Bench()
        bench.line.instead[WEB.spiffe_id] = API.spiffe_id
        bench.told(WEB)
        async with bench.running():
            fault = bench.leaf(WEB).last_fault
            assert fault is not None
            assert fault.code == "leaf-for-another"
            assert bench.held(WEB) is None

    asyncio.run(play())


def test_a_leaf_that_the_trusted_bundle_does_not_vouch_for_is_not_used() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB, bundle=Domain().trusted())
        async with bench.running():
            assert bench.held(WEB) is None
            bench.told(WEB)
            await bench.pass_by(5 * SECOND)
            assert bench.held(WEB) is not None

    asyncio.run(play())


def test_a_leaf_that_a_new_bundle_no_longer_vouches_for_is_renewed_at_once() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB)
        async with bench.running():
            old = bench.must_hold(WEB)
            bench.line.domain = Domain()
            bench.told(WEB, bundle=bench.line.domain.trusted())
            await bench.pass_by(timedelta(0))
            assert bench.must_hold(WEB) != old

    asyncio.run(play())


def test_a_bundle_that_cannot_be_read_leaves_the_one_held() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB)
        async with bench.running():
            known = bench.identities.value.bundles
            bench.told(WEB, API, bundle=TrustedBundle(ACME, b"{", "0"))
            await bench.pass_by(SECOND)
            assert bench.identities.value.bundles == known
            assert bench.held(API) is not None

    asyncio.run(play())


def test_a_jump_of_the_clock_is_noticed_within_a_minute() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB)
        async with bench.running():
            bench.line.down = away()
            bench.clock._now += timedelta(days=1)  # a suspend: time passed and no sleeper was woken
            await bench.pass_by(timedelta(minutes=1))
            assert bench.held(WEB) is None

    asyncio.run(play())


def test_a_clock_that_is_set_back_makes_no_wait_longer_than_it_was() -> None:
    async def play() -> None:
        bench = Bench()
        bench.line.down = away(timedelta(seconds=20))
        bench.told(WEB)
        async with bench.running():
            asked = len(bench.line.calls)
            bench.line.down = None
            bench.clock.set_back(timedelta(minutes=5))
            await bench.pass_by(timedelta(seconds=20))
            assert len(bench.line.calls) == asked + 1
            assert bench.held(WEB) is not None

    asyncio.run(play())


def test_a_fault_that_is_kept_for_display_keeps_no_frames_and_so_no_keys() -> None:
    async def play() -> None:
        bench = Bench()
        bench.line.down = away()
        bench.told(WEB)
        async with bench.running():
            fault = bench.leaf(WEB).last_fault
            assert fault is not None
            assert fault.__traceback__ is None

    asyncio.run(play())
