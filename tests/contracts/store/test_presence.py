"""What servers tell each other of the agents connected to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.contracts.store.records import HOUR, NOW, opened
from trustplane.registry.presence import FORGOTTEN_AFTER, Presence, ServerLife
from trustplane.spiffe.names import NodeName

ONE = ServerLife(NodeName("server-1"), "a", NOW, NOW + HOUR)
OTHER = ServerLife(NodeName("server-2"), "b", NOW, NOW + HOUR)
A, B = NodeName("node-a"), NodeName("node-b")
LATER = NOW + timedelta(seconds=1)


async def test_who_came_and_who_left_is_told_by_the_server_it_last_came_to(url: str) -> None:
    async with await opened(url) as store:
        await store.put_presence(ONE, [B, A], [], NOW)
        await store.put_presence(OTHER, [B], [], LATER)
        await store.put_presence(ONE, [], [B, A, NodeName("never-seen")], LATER)
        lives, presences = await store.presence()
        assert lives == (ONE, OTHER)
        assert presences == (
            Presence(A, ONE.server, "a", is_connected=False, since=LATER),
            Presence(B, OTHER.server, "b", is_connected=True, since=LATER),
        )


async def test_a_life_is_prolonged_and_replaced_and_forgotten_long_after_its_end(url: str) -> None:
    async with await opened(url) as store:
        await store.put_presence(ONE, [], [], NOW)
        await store.put_presence(replace(ONE, until=NOW + 2 * HOUR), [], [], NOW)
        await store.put_presence(OTHER, [], [], NOW)
        anew = replace(OTHER, life="c", since=LATER, until=NOW + FORGOTTEN_AFTER)
        await store.put_presence(anew, [], [], LATER)
        assert (await store.presence())[0] == (replace(ONE, until=NOW + 2 * HOUR), anew)
        await store.forget_ended_lives(NOW + 3 * HOUR + FORGOTTEN_AFTER)
        assert (await store.presence())[0] == (anew,)


async def test_what_it_costs_does_not_grow_with_agents_that_stay(url: str) -> None:
    async with await opened(url) as store:
        await store.put_presence(ONE, [NodeName(f"n{number}") for number in range(1000)], [], NOW)
        before = store.counts.statements
        await store.put_presence(ONE, [A], [B], NOW)
        assert store.counts.statements - before <= 4, "a statement each, and the transaction"


async def test_only_postgresql_is_shared(url: str) -> None:
    async with await opened(url) as store:
        assert store.is_shared is url.startswith("postgresql")
