"""When a server comes back, the queue drains at the pace of signing and once: no second collapse.

The flows of production on both sides, in virtual time. A server that signs one a second meets all the leaves that
became due, or expired, while it was away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from tests.kit.virtual_fleet import Fleet

LIFETIME = timedelta(minutes=10)
SECOND = timedelta(seconds=1)
LOOK = 5 * SECOND
NODES, PER_NODE, RATE = 4, 6, 1
LEAVES = NODES * PER_NODE


def fleet() -> Fleet:
    return Fleet(NODES, PER_NODE, LIFETIME, RATE)


async def passed(one: Fleet, duration: timedelta) -> None:
    """Looked at every few seconds."""
    for _ in range(max(1, duration // LOOK)):
        await one.clock.advance(LOOK)
        assert len(one.server.turns) <= 4 * RATE, "nobody stands longer than it waits"


def expiries(one: Fleet) -> Iterable[datetime]:
    return (keyed.svid.not_after for node in one.nodes for _, keyed in node.identities.value.held if keyed)


async def settled(one: Fleet) -> None:
    """A fleet that was served, one after the other, and then for half a lifetime."""
    await passed(one, timedelta(seconds=3 * LEAVES // RATE))
    assert one.lacking == 0
    await passed(one, LIFETIME / 2)


@pytest.mark.parametrize("share", [0.35, 1.05])
def test_the_queue_drains_once_and_at_the_pace_of_signing(share: float) -> None:
    """A third of a lifetime, which expires nothing, and more than one, which expires everything."""

    async def play() -> None:
        one = fleet()
        async with one.running():
            await settled(one)
            one.server.down = True
            await passed(one, LIFETIME * share)
            assert one.lacking == (0 if share < 0.5 else LEAVES)
            one.server.down = False
            back, asked, hung_up = one.clock.now(), one.server.calls, one.server.turns.hung_up
            done = await _until_all_are_new(one, back)
            assert one.lacking == 0
            # What the pace allows, the longest wait of a leaf that has not noticed yet, and a margin of a tenth.
            assert done - back <= timedelta(seconds=1.1 * LEAVES / RATE + 35)
            assert one.server.turns.hung_up == hung_up, "nothing was signed or kept for somebody who had gone"
            assert one.server.calls - asked <= 4 * LEAVES
            await passed(one, LIFETIME)
            assert one.lacking == 0, "and it stays so"

    asyncio.run(play())


async def _until_all_are_new(one: Fleet, back: datetime) -> datetime:
    """When every leaf that was due by then has been replaced."""
    renewed_by = back + LIFETIME * 0.5
    while one.lacking or min(expiries(one)) <= renewed_by:
        await passed(one, SECOND)
        assert one.clock.now() < back + LIFETIME
    return one.clock.now()
