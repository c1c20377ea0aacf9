"""What may happen to a PostgreSQL, and what the caller hears."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import psycopg

from tests.contracts.store.postgres import PostgresServer
from tests.contracts.store.records import AGENT, NODE, NOW, bodies, code_of, opened


async def test_nobody_there_is_unavailable(socket_dir: Path) -> None:
    assert await code_of(opened(f"postgresql://someone:hunter2@/x?host={socket_dir}")) == "store-unreachable"


async def test_a_missing_database_is_unavailable(postgres: PostgresServer) -> None:
    assert await code_of(opened(postgres.url("never_made"))) == "store-unreachable"


async def test_while_it_is_down_everything_is_unavailable_and_afterwards_works(postgres: PostgresServer) -> None:
    async with await opened(postgres.fresh_database()) as store:
        await store.put_agent(AGENT)
        await asyncio.to_thread(postgres.stop, signal.SIGQUIT)
        try:
            ends = await asyncio.gather(
                *(code_of(store.append_audit([b"%d" % n], NOW)) for n in range(50)), code_of(store.agent(NODE))
            )
            assert set(ends) == {"store-unreachable"}
        finally:
            await asyncio.to_thread(postgres.start)
        assert await store.append_audit([b"back"], NOW) == 0
        assert await store.agent(NODE) == AGENT


async def test_a_connection_that_was_cut_is_made_again_unnoticed(postgres_url: str) -> None:
    async with await opened(postgres_url) as store:
        await asyncio.gather(store.agents(), store.agents(), store.append_audit([b"a"], NOW))
        for _ in range(3):
            await asyncio.to_thread(cut_all, postgres_url)
            assert await code_of(store.append_audit([b"b"], NOW)) == "done"
            assert await store.agents() == ()
        assert await bodies(store) == [b"a", b"b", b"b", b"b"]


def cut_all(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_a_standby_cannot_be_written_and_says_so(postgres_url: str) -> None:
    async with await opened(postgres_url) as store:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        await asyncio.to_thread(cut_all, postgres_url)
        assert await code_of(store.append_audit([b"x"], NOW)) == "store-read-only"
