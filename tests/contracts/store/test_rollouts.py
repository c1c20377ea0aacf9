from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contracts.store.records import NOW, opened
from tests.kit.rollouts import MemoryRollouts, rollout
from trustplane.change.deploy_token import DeployToken
from trustplane.change.rollout import KEPT_FOR, MOST_AN_HOUR
from trustplane.fault import Refused, Unavailable
from trustplane.store.store import Store

FIRST = rollout(started=NOW)
GITHUB = DeployToken("github", b"\x01" * 32, "local:root", NOW, NOW + timedelta(days=90))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def where(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return ""
    found: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return found


@asynccontextmanager
async def kept(where: str) -> AsyncIterator[MemoryRollouts | Store]:
    if not where:
        yield MemoryRollouts()
        return
    async with await opened(where) as store:
        yield store


async def test_a_rollout_told_twice_is_one_and_its_end_may_come_later(where: str) -> None:
    ended = replace(FIRST, ended=NOW + timedelta(minutes=5))
    async with kept(where) as store:
        assert await store.tell_rollout(FIRST, NOW) == (FIRST, True)
        assert await store.tell_rollout(FIRST, NOW) == (FIRST, False)
        assert await store.tell_rollout(ended, NOW) == (ended, False)
        assert await store.tell_rollout(FIRST, NOW) == (ended, False)
        with pytest.raises(Refused, match="rollout-differs"):
            await store.tell_rollout(replace(FIRST, version="1.38.0"), NOW)
        with pytest.raises(Refused, match="rollout-differs"):
            await store.tell_rollout(replace(ended, ended=NOW + timedelta(minutes=6)), NOW)
        assert list(await store.rollouts(NOW - timedelta(days=1), 10)) == [ended]


async def test_another_systems_rollout_of_the_same_name_is_another(where: str) -> None:
    theirs = replace(FIRST, told_by="argo-cd", version="2")
    async with kept(where) as store:
        for one in (FIRST, theirs):
            assert (await store.tell_rollout(one, NOW))[1]
        assert list(await store.rollouts(NOW, 10)) == [theirs, FIRST]


async def test_the_newest_come_first_and_a_long_one_is_found_by_its_end(where: str) -> None:
    long = rollout("long", NOW - timedelta(days=3), NOW)
    old = rollout("old", NOW - timedelta(days=3))
    async with kept(where) as store:
        for one in (old, long, FIRST):
            await store.tell_rollout(one, NOW)
        assert list(await store.rollouts(NOW - timedelta(hours=1), 10)) == [FIRST, long]
        assert list(await store.rollouts(NOW - timedelta(hours=1), 1)) == [FIRST]


async def test_a_loop_in_a_pipeline_is_stopped_and_old_rollouts_go(where: str) -> None:
    async with kept(where) as store:
        await store.tell_rollout(rollout("old", NOW - KEPT_FOR), NOW - timedelta(hours=2))
        for number in range(MOST_AN_HOUR):
            await store.tell_rollout(rollout(f"run-{number}", NOW), NOW)
        with pytest.raises(Unavailable, match="too-many-rollouts"):
            await store.tell_rollout(rollout("one-more", NOW), NOW + timedelta(minutes=59))
        assert (await store.tell_rollout(rollout("run-0", NOW), NOW)) == (rollout("run-0", NOW), False)
        later = NOW + timedelta(hours=1)
        assert (await store.tell_rollout(rollout("one-more", later), later))[1]
        references = {one.reference for one in await store.rollouts(NOW - 2 * KEPT_FOR, 1000)}
        assert references == {"one-more", *(f"run-{number}" for number in range(MOST_AN_HOUR))}


async def test_a_token_is_found_by_its_digest_until_it_is_taken_back(where: str) -> None:
    async with kept(where) as store:
        await store.add_deploy_token(GITHUB)
        with pytest.raises(Refused, match="deploy-token-exists"):
            await store.add_deploy_token(replace(GITHUB, token_sha256=b"\x02" * 32))
        assert await store.deploy_token(GITHUB.token_sha256) == GITHUB
        assert await store.deploy_token(b"\x02" * 32) is None
        assert list(await store.deploy_tokens()) == [GITHUB]
        await store.drop_deploy_token("github")
        assert await store.deploy_token(GITHUB.token_sha256) is None
        with pytest.raises(Refused, match="deploy-token-unknown"):
            await store.drop_deploy_token("github")


async def test_an_expired_token_gives_way_to_another_of_its_name(where: str) -> None:
    again = replace(
        GITHUB, token_sha256=b"\x02" * 32, created_at=GITHUB.expires_at, expires_at=NOW + timedelta(days=91)
    )
    async with kept(where) as store:
        await store.add_deploy_token(GITHUB)
        await store.add_deploy_token(again)
        assert list(await store.deploy_tokens()) == [again]
