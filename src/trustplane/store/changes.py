"""Who is told what has changed: subscribers in this process at once, other replicas by PostgreSQL's LISTEN and NOTIFY.

A notification names topics, never contents: who hears it reads the database. While the listening connection is down
anything may be missed, so its return signals every topic. Nothing polls.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import uuid4
from weakref import WeakSet

import psycopg
from sqlalchemy import URL, Engine, text

from trustplane.clock import Clock
from trustplane.store.engines import connect_arguments
from trustplane.store.topics import Topic
from trustplane.store.transaction import Transaction

CHANNEL = "trustplane_changes"
EVERY_TOPIC = frozenset(Topic)
_FIRST_PAUSE = timedelta(milliseconds=100)
_LONGEST_PAUSE = timedelta(seconds=5)

_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


class Changes(AsyncIterator[Topic]):
    """One subscription. Topics that change faster than they are read come once; it ends when the store closes."""

    def __init__(self) -> None:
        self._pending: dict[Topic, None] = {}
        self._ended = False
        self._wake = asyncio.Event()

    def signal(self, topics: frozenset[Topic]) -> None:
        self._pending.update(dict.fromkeys(sorted(topics, key=lambda topic: topic.value)))
        self._wake.set()

    def close(self) -> None:
        self._ended = True
        self._wake.set()

    async def __anext__(self) -> Topic:
        while not self._pending and not self._ended:
            self._wake.clear()
            await self._wake.wait()
        if self._ended:
            raise StopAsyncIteration
        topic = next(iter(self._pending))
        del self._pending[topic]
        return topic

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Subscribers:
    """Forgets a subscription when its owner does."""

    def __init__(self) -> None:
        self._open: WeakSet[Changes] = WeakSet()

    def subscribe(self) -> Changes:
        changes = Changes()
        self._open.add(changes)
        return changes

    def signal(self, topics: frozenset[Topic]) -> None:
        for changes in list(self._open):
            changes.signal(topics)

    def close(self) -> None:
        for changes in list(self._open):
            changes.close()


class Silence:
    """For a database that one server has to itself."""

    def announce(self, transaction: Transaction) -> None: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class Replicas:
    def __init__(self, url: URL, engine: Engine, subscribers: Subscribers, clock: Clock) -> None:
        _, given = engine.dialect.create_connect_args(url)
        self._connect = {**connect_arguments(url), **given}
        self._subscribers = subscribers
        self._clock = clock
        self._name = uuid4().hex
        self._task: asyncio.Task[None] | None = None

    def announce(self, transaction: Transaction) -> None:
        """Part of the transaction: PostgreSQL delivers it if and when that commits."""
        if transaction.topics:
            topics = ",".join(sorted(topic.value for topic in transaction.topics))
            transaction.read(_NOTIFY, {"channel": CHANNEL, "payload": f"{self._name}:{topics}"})

    async def start(self) -> None:
        """Returns when no further change can be missed unnoticed."""
        connection = await self._listen()
        self._task = asyncio.create_task(self._follow(connection), name="store-changes")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _listen(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        connection = await psycopg.AsyncConnection.connect(**self._connect, autocommit=True)
        try:
            await connection.execute(f"LISTEN {CHANNEL}")
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _follow(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        while True:
            try:
                async with connection:
                    async for notification in connection.notifies():
                        self._hear(notification.payload)
            except psycopg.Error:
                connection = await self._listen_again()
                self._subscribers.signal(EVERY_TOPIC)

    async def _listen_again(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        pause = _FIRST_PAUSE
        while True:
            await self._clock.sleep(pause)
            try:
                return await self._listen()
            except psycopg.Error:
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _hear(self, payload: str) -> None:
        sender, _, names = payload.partition(":")
        if sender == self._name:
            return
        known = {topic.value: topic for topic in Topic}
        # A newer replica may know topics that this one does not.
        self._subscribers.signal(frozenset(known[name] for name in names.split(",") if name in known))
