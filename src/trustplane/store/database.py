"""One database, opened: its writer, its readers, and who hears of changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

import psycopg
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from trustplane.clock import Clock
from trustplane.fault import Unavailable
from trustplane.store import engines, schema
from trustplane.store.changes import Changes, Replicas, Silence, Subscribers
from trustplane.store.engines import Counter, Counts
from trustplane.store.faults import fault_of, is_lost_connection, store_busy, store_closed
from trustplane.store.group_commit import GroupCommit, Work

MAX_READS_WAITING = 1024

T = TypeVar("T")


class Database:
    def __init__(self, url: URL, clock: Clock) -> None:
        self._counter = Counter()
        self._writing = engines.writer(url, self._counter)
        self._reading = engines.readers(url, self._counter)
        self._threads = ThreadPoolExecutor(engines.READERS, thread_name_prefix="store-reader")
        self._reads_waiting = 0
        self._closed = False
        self._subscribers = Subscribers()
        alone = self._writing.dialect.name == "sqlite"
        self._others = Silence() if alone else Replicas(url, self._writing, self._subscribers, clock)
        self._writer = GroupCommit(self._writing, self._others.announce, self._subscribers.signal)

    @classmethod
    async def open(cls, text: str, clock: Clock) -> Self:
        url = engines.parse_url(text)
        if url.drivername == "sqlite":
            engines.create_file(url)
        database = cls(url, clock)
        try:
            await database._start()
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def is_shared(self) -> bool:
        return isinstance(self._others, Replicas)

    async def close(self) -> None:
        """What was asked for before is still done."""
        self._closed = True
        await self._writer.close()
        await self._others.close()
        self._subscribers.close()
        await asyncio.to_thread(self._threads.shutdown)
        self._writing.dispose()
        self._reading.dispose()

    @property
    def counts(self) -> Counts:
        return self._counter.counts

    @property
    def trouble(self) -> Unavailable | None:
        return self._writer.trouble

    def changes(self) -> Changes:
        return self._subscribers.subscribe()

    async def write(self, work: Work[T]) -> T:
        return await self._writer.submit(work)

    async def read(self, query: Callable[[Connection], T]) -> T:
        if self._closed:
            raise store_closed()
        if self._reads_waiting >= MAX_READS_WAITING:
            raise store_busy(f"{MAX_READS_WAITING} reads are waiting already")
        self._reads_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _run, self._reading, query)
        finally:
            self._reads_waiting -= 1

    async def _start(self) -> None:
        try:
            await asyncio.to_thread(schema.bring_up_to_date, self._writing, self._reading)
            await self._others.start()
        except SQLAlchemyError as error:
            raise fault_of(error) from None
        except psycopg.Error as error:
            raise fault_of(OperationalError("LISTEN", None, error)) from None


def _run(engine: Engine, query: Callable[[Connection], T]) -> T:
    try:
        try:
            return _ask(engine, query)
        except SQLAlchemyError as error:
            if not is_lost_connection(error):
                raise
            # Connections kept from before the database restarted are found out only by using them.
            return _ask(engine, query)
    except SQLAlchemyError as error:
        raise fault_of(error) from None


def _ask(engine: Engine, query: Callable[[Connection], T]) -> T:
    with engine.connect() as connection:
        return query(connection)
