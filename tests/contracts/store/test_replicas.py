"""What two servers on one database see of each other."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contracts.store.postgres import PostgresServer
from tests.contracts.store.records import AGENT, HOUR, JWT, LEDGER_SERVICE, NODE, NOW, WEB, WEB_SERVICE, opened
from tests.kit.proposals import proposal
from trustplane.host.clock import SystemClock
from trustplane.rotation.root_change import Order, begun
from trustplane.spiffe.ids import TrustDomain
from trustplane.store.store import Changes, Store, Topic
from trustplane.trust.federation import Peer
from trustplane.trust.revocation import Cause, Reason, Revocations, RevokedId
from trustplane.verdict.dry_run import Wanted


async def heard(changes: Changes, topics: int = 1) -> set[Topic]:
    async with asyncio.timeout(30):
        return {await anext(changes) for _ in range(topics)}


async def test_a_lease_has_one_holder_until_it_ends(url: str) -> None:
    async with await opened(url) as one, await opened(url) as other:
        until = NOW + HOUR
        both = await asyncio.gather(
            one.take_lease("root", "one", until, NOW), other.take_lease("root", "other", until, NOW)
        )
        assert sorted(both) == [False, True]
        holder, waiter = ("one", "other") if both[0] else ("other", "one")
        assert await one.take_lease("root", holder, until + HOUR, NOW)
        assert not await one.take_lease("root", waiter, until + 2 * HOUR, until)
        assert await one.take_lease("another", waiter, until, NOW)
        assert await one.take_lease("root", waiter, until + 2 * HOUR, until + HOUR)


async def test_only_its_holder_releases_a_lease(url: str) -> None:
    async with await opened(url) as store:
        await store.take_lease("root", "one", NOW + HOUR, NOW)
        await store.release_lease("root", "other")
        assert not await store.take_lease("root", "other", NOW + HOUR, NOW)
        await store.release_lease("root", "one")
        assert await store.take_lease("root", "other", NOW + HOUR, NOW)


async def test_the_bundle_sequence_rises_only_with_new_content(url: str) -> None:
    async with await opened(url) as one, await opened(url) as other:
        assert await one.next_bundle_sequence("a") == 1
        for content, sequence in (("a", 1), ("b", 2)):
            both = await asyncio.gather(other.next_bundle_sequence(content), one.next_bundle_sequence(content))
            assert set(both) == {sequence}
        assert await one.next_bundle_sequence("a") == 3


@pytest.mark.parametrize("topic", Topic)
async def test_a_committed_change_is_signalled_to_each_subscriber(url: str, topic: Topic) -> None:
    async with await opened(url) as store, store.changes() as changes, store.changes() as others:
        await change(store, topic)
        assert await heard(changes) == await heard(others) == {topic}


async def change(store: Store, topic: Topic) -> None:
    match topic:
        case Topic.REVISION:
            await store.put_revision({}, "d", "ann", NOW, expected_current=None)
        case Topic.AGENTS:
            await store.put_agent(AGENT)
        case Topic.HOSTING:
            await store.put_hosting(NODE, frozenset({WEB_SERVICE}), NOW)
        case Topic.AUTHORITIES:
            await store.put_authority(JWT, b"sealed")
        case Topic.REVOCATIONS:
            cause = Cause(Reason.UNSPECIFIED, "", "local:ann", NOW)
            await store.put_revocations(Revocations((), (RevokedId(WEB, cause),), ()))
        case Topic.ROOT_CHANGES:
            await store.save_root_change(begun(1, JWT.id, Order("ann", "yearly rotation"), NOW))
        case Topic.FEDERATION:
            await store.put_peer(Peer(TrustDomain("partner.example")))
        case Topic.PROPOSALS:
            await store.add_proposal(proposal(at=NOW), lambda _: b"proposed", NOW)
        case Topic.DRY_RUNS:
            await store.begin_dry_run(Wanted({}, "ab" * 32, "local:ann", NOW, NOW + HOUR, 0))


async def test_what_changes_nothing_signals_nothing(url: str) -> None:
    async with await opened(url) as store:
        await store.put_hosting(NODE, frozenset({WEB_SERVICE}), NOW)
        async with store.changes() as changes:
            await store.put_hosting(NODE, frozenset({WEB_SERVICE}), NOW + HOUR)
            await store.put_agent(AGENT)
            assert await heard(changes) == {Topic.AGENTS}


async def test_topics_that_change_faster_than_they_are_read_come_once(url: str) -> None:
    async with await opened(url) as store, store.changes() as changes:
        for n in range(5):
            await store.put_agent(replace(AGENT, serial=n))
        await store.put_hosting(NODE, frozenset({LEDGER_SERVICE}), NOW)
        assert [await anext(changes), await anext(changes)] == [Topic.AGENTS, Topic.HOSTING]


async def test_closing_the_store_ends_its_subscriptions(url: str) -> None:
    async with await opened(url) as store:
        changes = store.changes()
        waiting = asyncio.create_task(heard(changes))
        await asyncio.sleep(0)
    with pytest.raises(StopAsyncIteration):
        await anext(changes)
    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], BaseException)


async def test_a_change_reaches_the_other_replicas(postgres_url: str) -> None:
    async with await opened(postgres_url) as one, await opened(postgres_url) as other, other.changes() as changes:
        await one.put_agent(AGENT)
        assert await heard(changes) == {Topic.AGENTS}
        await one.put_hosting(NODE, frozenset({WEB_SERVICE}), NOW)
        assert await heard(changes) == {Topic.HOSTING}


async def test_after_a_restart_of_postgresql_everything_is_signalled_and_works(postgres: PostgresServer) -> None:
    async with await Store.open(postgres.fresh_database(), SystemClock()) as store, store.changes() as changes:
        await store.put_agent(AGENT)
        assert await heard(changes) == {Topic.AGENTS}
        await asyncio.to_thread(postgres.stop, signal.SIGQUIT)
        await asyncio.to_thread(postgres.start)
        assert await heard(changes, len(Topic)) == set(Topic)
        assert await store.agent(NODE) == AGENT
        await store.append_audit([b"x"], NOW + timedelta(hours=1))
