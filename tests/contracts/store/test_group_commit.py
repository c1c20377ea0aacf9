"""Writes that wait together are committed together, and none can harm another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.contracts.store.records import AGENT, NODE, NOW, TOKEN, bodies, certificates, code_of, opened
from trustplane.fault import Refused, Unavailable
from trustplane.store import group_commit
from trustplane.store.store import Store
from trustplane.store.transaction import Transaction


class MistakeError(Exception):
    pass


@asynccontextmanager
async def held_back(store: Store) -> AsyncIterator[None]:
    """Whatever is written inside waits until the end, and is then one group."""
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: Transaction) -> None:
        begun.set()
        go_on.wait(60)

    holding = asyncio.create_task(store._write(hold))
    await asyncio.to_thread(begun.wait, 60)
    try:
        yield
        await asyncio.sleep(0)
    finally:
        go_on.set()
    await holding


async def test_a_hundred_issuances_cost_a_handful_of_statements(url: str) -> None:
    async with await opened(url) as store:
        await store.append_audit([b"warm"], NOW)
        async with held_back(store):
            waiting = [
                asyncio.create_task(store.record_issuance(certificates(n), [b"%d" % n], NOW)) for n in range(1, 101)
            ]
            await asyncio.sleep(0)
            before = store.counts
        await asyncio.gather(*waiting)
        assert store.counts.transactions - before.transactions == 2  # the one that held them back, and theirs
        assert store.counts.statements - before.statements <= 5
        assert len(await bodies(store)) == 101


async def test_a_mistake_in_one_piece_of_work_is_its_own(url: str) -> None:
    def mistake(to: Transaction) -> None:
        to.append_audit([b"never"], NOW)
        raise MistakeError

    def refused_too_late(to: Transaction) -> None:
        to.append_audit([b"never"], NOW)
        raise Refused(code="too-late", what="", why="", fix="")

    async with await opened(url) as store:
        async with held_back(store):
            before = asyncio.create_task(store.append_audit([b"a"], NOW))
            bad = asyncio.create_task(store._write(mistake))
            late = asyncio.create_task(code_of(store._write(refused_too_late)))
            after = asyncio.create_task(store.append_audit([b"b"], NOW))
        assert await before == 0
        with pytest.raises(MistakeError):
            await bad
        assert await late == "too-late"
        assert await after == 1
        assert await bodies(store) == [b"a", b"b"]


async def test_a_refusal_before_anything_was_written_costs_the_others_nothing(url: str) -> None:
    async with await opened(url) as store:
        async with held_back(store):
            refused = [asyncio.create_task(code_of(store.redeem_join_token(bytes(32), NOW))) for _ in range(20)]
            good = asyncio.create_task(store.append_audit([b"a"], NOW))
            await asyncio.sleep(0)
            before = store.counts
        assert await asyncio.gather(*refused) == ["join-token-unknown"] * 20
        assert await good == 0
        assert store.counts.transactions - before.transactions == 2


async def test_what_nobody_waits_for_any_more_is_not_written(url: str) -> None:
    async with await opened(url) as store:
        async with held_back(store):
            given_up = asyncio.create_task(store.append_audit([b"never"], NOW))
            kept = asyncio.create_task(store.append_audit([b"kept"], NOW))
            await asyncio.sleep(0)
            given_up.cancel()
        assert await kept == 0
        assert await bodies(store) == [b"kept"]


async def test_too_many_waiting_writes_are_turned_away_with_a_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING", 3)
    async with await opened(url) as store:
        async with held_back(store):
            waiting = [asyncio.create_task(store.append_audit([b"x"], NOW)) for _ in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(Unavailable) as busy:
                await store.append_audit([b"y"], NOW)
            assert busy.value.code == "store-busy"
            assert busy.value.retry_after
        assert await asyncio.gather(*waiting) == [0, 1, 2]


async def test_a_change_is_signalled_no_earlier_than_it_can_be_read(url: str) -> None:
    async with await opened(url) as store, store.changes() as changes:
        for serial in range(30):
            put = asyncio.create_task(store.put_agent(replace(AGENT, serial=serial)))
            await anext(changes)
            agent = await store.agent(NODE)
            assert agent is not None
            assert agent.serial == serial
            await put


async def test_a_database_error_does_not_repeat_what_was_to_be_written(url: str) -> None:
    secret = replace(TOKEN, created_by="hunter2")
    async with await opened(url) as store:
        await store.put_join_token(secret)
        with pytest.raises(Exception, match="store-failed") as failed:
            await store.put_join_token(secret)
        assert "hunter2" not in str(failed.value)
