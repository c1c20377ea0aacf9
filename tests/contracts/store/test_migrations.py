from __future__ import annotations

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from tests.contracts.store.records import NOW, bodies, code_of, opened
from trustplane.store import engines
from trustplane.store.engines import Counter
from trustplane.store.tables import metadata


async def test_the_migrations_make_the_tables_that_the_queries_expect(url: str) -> None:
    async with await opened(url):
        pass
    engine = engines.readers(engines.parse_url(url), Counter())
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


@pytest.mark.parametrize("replicas", [6])
async def test_replicas_that_start_at_once_on_an_empty_database_all_run(url: str, replicas: int) -> None:
    stores = await asyncio.gather(*(opened(url) for _ in range(replicas)))
    indexes = await asyncio.gather(*(store.append_audit([b"x"], NOW) for store in stores))
    assert sorted(indexes) == list(range(replicas))
    assert len(await bodies(stores[0])) == replicas
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_schema_from_a_newer_version_is_refused_and_left_alone(url: str) -> None:
    async with await opened(url):
        pass
    engine = engines.writer(engines.parse_url(url), Counter())
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert await code_of(opened(url)) == "store-schema-newer"
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
    engine.dispose()
