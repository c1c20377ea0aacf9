"""The latest value, and never missing that it changed."""

from __future__ import annotations

import asyncio

from trustplane.flows.feed import Feed


def test_a_listener_gets_the_current_value_and_then_the_newest() -> None:
    async def scenario() -> list[int]:
        feed = Feed(1)
        values = feed.values()
        seen = [await anext(values)]
        feed.publish(2)
        feed.publish(3)
        seen.append(await anext(values))
        return seen

    assert asyncio.run(scenario()) == [1, 3]


def test_a_value_published_before_the_waiting_begins_is_not_missed() -> None:
    async def scenario() -> int:
        feed = Feed(1)
        moved = asyncio.ensure_future(feed.moved())
        feed.publish(2)  # before the loop came to run what waits
        async with asyncio.timeout(5):
            await moved
        return feed.value

    assert asyncio.run(scenario()) == 2
