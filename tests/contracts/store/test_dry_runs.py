"""Dry runs in the database: one at a time, against the revision in force, ended once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contracts.store.records import HOUR, NOW, code_of, opened
from tests.contracts.store.test_decisions import parcel
from trustplane.registry.parcels import Losses
from trustplane.spiffe.names import NodeName
from trustplane.store import parcel_streams
from trustplane.store.dry_runs import KEPT
from trustplane.store.store import Store
from trustplane.verdict.dry_run import End, Ended, Wanted

NODE_A = NodeName("node-a")
FILES = {"trustdomain.yaml": "name: acme.example\n", "services/shop/web/service.yaml": "naïve ☂\n"}
WANTED = Wanted(FILES, "ab" * 32, "local:ann", NOW, NOW + HOUR, 1)


async def applied(store: Store, number: int = 1) -> None:
    await store.put_revision({}, f"d{number}", "ann", NOW, expected_current=number - 1 or None)


async def test_a_dry_run_comes_back_as_it_was_begun(url: str) -> None:
    async with await opened(url) as store:
        assert await store.newest_dry_run() is None
        await applied(store)
        begun = await store.begin_dry_run(WANTED)
        assert (begun.number, begun.id, begun.files, begun.ended) == (1, "1-abababab", FILES, None)
        assert await store.newest_dry_run() == begun
    async with await opened(url) as again:
        assert await again.newest_dry_run() == begun


async def test_one_runs_at_a_time_and_the_next_begins_when_it_is_over(url: str) -> None:
    async with await opened(url) as store:
        await applied(store)
        await store.begin_dry_run(WANTED)
        assert await code_of(store.begin_dry_run(WANTED)) == "dry-run-under-way"
        late = replace(WANTED, at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
        assert (await store.begin_dry_run(late)).number == 2
        await applied(store, 2)
        assert (await store.begin_dry_run(replace(late, against=2))).number == 3


async def test_it_is_refused_against_a_revision_that_is_not_in_force(url: str) -> None:
    async with await opened(url) as store:
        assert await code_of(store.begin_dry_run(WANTED)) == "revision-moved"
        assert await store.newest_dry_run() is None


async def test_how_it_ended_is_written_down_once(url: str) -> None:
    async with await opened(url) as store:
        await applied(store)
        run = await store.begin_dry_run(WANTED)
        stopped = Ended(End.STOPPED, NOW + timedelta(minutes=5), "local:bob")
        assert await store.end_dry_run(run.number, stopped)
        assert not await store.end_dry_run(run.number, Ended(End.TIME, NOW + HOUR, "trustplane"))
        assert not await store.end_dry_run(99, stopped)
        assert await store.newest_dry_run() == replace(run, ended=stopped)


async def test_only_the_newest_are_kept(url: str) -> None:
    async with await opened(url) as store:
        await applied(store)
        for number in range(1, KEPT + 3):
            run = await store.begin_dry_run(WANTED)
            assert run.number == number
            await store.end_dry_run(number, Ended(End.STOPPED, NOW, "local:bob"))
        assert not await store.end_dry_run(2, Ended(End.STOPPED, NOW, "local:bob"))


async def test_what_nodes_fail_to_count_is_told_from_what_they_had_lost_before(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcel_streams, "STREAMS", 2)
    async with await opened(url) as store:
        await applied(store)
        await store.put_decisions(parcel(1, NODE_A, "a" * 32, losses=Losses(dropped=5)), NOW)
        await store.put_decisions(parcel(1, NODE_A, "b" * 32, losses=Losses(dropped=7)), NOW)
        run = await store.begin_dry_run(WANTED)
        assert await store.lost_in_dry_run(run) == 0
        await store.put_decisions(parcel(2, NODE_A, "b" * 32, losses=Losses(dropped=2)), NOW + timedelta(seconds=1))
        await store.put_decisions(parcel(1, NODE_A, "c" * 32, losses=Losses(dropped=4)), NOW + timedelta(seconds=2))
        assert await store.lost_in_dry_run(run) == 6, "also when a stream of before was forgotten meanwhile"
