"""What is served is saved soon, together, and until it works; and nothing about the cache can stop an agent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from threading import get_ident

from tests.kit.clock import START, VirtualClock
from tests.kit.node_line import running
from tests.kit.sidecars import authority, keyed
from trustplane.fault import Refused, Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.node.remember_identities import KeptLeaf, Remembered, RememberIdentities
from trustplane.registry.view import NodeView

SECOND = timedelta(seconds=1)
LEAF = KeptLeaf(keyed(authority(), "spiffe://acme.example/ns/shop/sa/web"), START)


class MemoryCache:
    def __init__(self) -> None:
        self.saved: list[Remembered] = []
        self.found: Remembered | None = None
        self.refusal: Refused | None = None
        self.full = False
        self.threads: set[int] = set()

    def load(self) -> Remembered | None:
        if self.refusal is not None:
            raise self.refusal
        return self.found

    def save(self, remembered: Remembered) -> None:
        self.threads.add(get_ident())
        if self.full:
            raise Unavailable(code="identity-cache-not-saved", what="not written", why="disk full", fix="make room")
        self.saved.append(remembered)


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.cache = MemoryCache()
        self.memory = RememberIdentities(self.cache, self.clock)
        self.changes: Feed[int] = Feed(0)
        self.revision: int | None = None

    def current(self) -> Remembered | None:
        if self.revision is None:
            return None
        return Remembered(self.clock.now(), NodeView(self.revision, (), (), ()), (LEAF,))

    def change(self, revision: int) -> None:
        self.revision = revision
        self.changes.publish(revision)

    async def until(self, saved: int, patience: timedelta = timedelta(minutes=2)) -> None:
        """Saving happens on a thread, so time is moved until it is done."""
        for _ in range(2000):
            if len(self.cache.saved) >= saved:
                return
            await asyncio.sleep(0.001)
            await self.clock.advance(patience / 2000)
        raise AssertionError(f"{len(self.cache.saved)} saves")

    async def until_failed(self, saves: int) -> None:
        while self.memory.failed_saves < saves:
            await asyncio.sleep(0.001)
            await self.clock.advance(SECOND)

    def code(self) -> str | None:
        return self.memory.fault.code if self.memory.fault else None


def test_nothing_is_saved_before_there_is_something_and_every_change_is() -> None:
    async def play() -> None:
        bench = Bench()
        async with running(bench.memory.run(bench.changes, bench.current, Random(7))):
            await bench.clock.advance(SECOND)
            assert not bench.cache.saved
            for revision in (1, 2):
                bench.change(revision)
                await bench.until(revision)
            assert [one.view.revision for one in bench.cache.saved] == [1, 2]
            assert bench.memory.holds((LEAF,))
            assert not bench.memory.holds(())
            assert get_ident() not in bench.cache.threads

    asyncio.run(play())


def test_equal_content_is_not_saved_again() -> None:
    async def play() -> None:
        bench = Bench()
        async with running(bench.memory.run(bench.changes, bench.current, Random(7))):
            bench.change(1)
            await bench.until(1)
            bench.change(1)
            bench.change(2)
            await bench.until(2)
            assert [one.view.revision for one in bench.cache.saved] == [1, 2]

    asyncio.run(play())


def test_on_a_full_disk_it_is_said_and_tried_again_with_the_newest() -> None:
    async def play() -> None:
        bench = Bench()
        bench.cache.full = True
        async with running(bench.memory.run(bench.changes, bench.current, Random(7))):
            bench.change(1)
            await bench.until_failed(3)
            assert bench.code() == "identity-cache-not-saved"
            bench.change(2)
            await bench.until_failed(bench.memory.failed_saves + 2)  # the first of them may have begun before
            bench.cache.full = False
            await bench.until(1)
            assert [one.view.revision for one in bench.cache.saved] == [2]
            bench.change(3)
            await bench.until(2)
            assert bench.code() is None

    asyncio.run(play())


def test_a_cache_that_cannot_be_used_is_reported_and_the_agent_begins_with_nothing() -> None:
    bench = Bench()
    bench.cache.refusal = Refused(code="identity-cache-refused", what="torn", why="cut short", fix="remove it")
    assert bench.memory.load() is None
    assert bench.code() == "identity-cache-refused"


def test_a_cache_from_the_future_is_used_and_the_clock_is_named() -> None:
    bench = Bench()
    bench.cache.found = Remembered(START + timedelta(hours=2), NodeView(1, (), (), ()), (LEAF,))
    assert bench.memory.load() is bench.cache.found
    assert bench.code() == "clock-behind"


def test_what_was_loaded_is_not_saved_again() -> None:
    async def play() -> None:
        bench = Bench()
        bench.cache.found = Remembered(START, NodeView(1, (), (), ()), (LEAF,))
        bench.memory.load()
        async with running(bench.memory.run(bench.changes, bench.current, Random(7))):
            bench.change(1)
            await bench.clock.advance(SECOND)
            bench.change(2)
            await bench.until(1)
            assert [one.view.revision for one in bench.cache.saved] == [2]

    asyncio.run(play())
