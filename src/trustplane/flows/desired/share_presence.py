"""Telling the other servers which agents are connected here.

What changed is written in batches, so that the database's work grows with agents that come and go and not with agents
that stay; besides that, a server that shares its database prolongs its own life every few seconds. Alone it need not:
it knows who is connected, and is asked by nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

import structlog

from trustplane.clock import Clock
from trustplane.fault import Unavailable
from trustplane.flows.desired.connected_agents import ConnectedAgents
from trustplane.registry.presence import Attendance, Presence, ServerLife, attendance
from trustplane.spiffe.names import NodeName

LIFE = timedelta(seconds=30)  # believed for so long after the last word
BEAT = timedelta(seconds=10)
GATHER = timedelta(milliseconds=200)  # who comes or goes meanwhile is written with the first
BACKOFF = timedelta(seconds=1)


class Records(Protocol):
    @property
    def is_shared(self) -> bool: ...

    async def put_presence(
        self, life: ServerLife, came: Iterable[NodeName], left: Iterable[NodeName], at: datetime
    ) -> None: ...

    async def forget_ended_lives(self, at: datetime) -> None: ...

    async def presence(self) -> tuple[Sequence[ServerLife], Sequence[Presence]]: ...


class SharePresence:
    def __init__(self, records: Records, connected: ConnectedAgents, instance: NodeName, clock: Clock) -> None:
        self._records = records
        self._connected = connected
        self._instance = instance
        self._clock = clock
        self._life = uuid4().hex
        self._since = clock.now()
        self._unwritten: set[NodeName] = set()
        self._log = structlog.get_logger("presence")

    async def run(self) -> None:
        is_first = True
        while True:
            try:
                if is_first:
                    await self._records.forget_ended_lives(self._clock.now())
                await self.tell()
            except Unavailable as fault:
                self._log.warning("presence not shared yet", code=fault.code, what=fault.finding.what)
                await self._clock.sleep(BACKOFF)
                continue
            is_first = False
            await self._until_there_is_news()

    async def tell(self) -> None:
        """Everything that changed since it was told last; what could not be written is tried again with the next."""
        self._unwritten |= self._connected.take_turned()
        telling, here = frozenset(self._unwritten), self._connected.nodes()
        at = self._clock.now()
        life = ServerLife(self._instance, self._life, self._since, at + LIFE)
        await self._records.put_presence(life, telling & here, telling - here, at)
        self._unwritten -= telling

    async def attendance(self) -> Attendance:
        lives, presences = await self._records.presence()
        return attendance(self._instance, self._connected.nodes(), lives, presences, self._clock.now())

    async def _until_there_is_news(self) -> None:
        news = asyncio.ensure_future(self._connected.have_turned())
        beat = [asyncio.ensure_future(self._clock.sleep(BEAT))] if self._records.is_shared else []
        try:
            await asyncio.wait((news, *beat), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (news, *beat):
                waiting.cancel()
        if self._connected.has_news:
            await self._clock.sleep(GATHER)
