"""Servers on one database agree on who is connected, and what that costs grows with those who come and go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tests.kit.clock import VirtualClock
from tests.kit.issuing_ports import NOON
from trustplane.fault import Unavailable
from trustplane.flows.desired.connected_agents import ConnectedAgents, Connection
from trustplane.flows.desired.share_presence import BEAT, GATHER, LIFE, SharePresence
from trustplane.registry.presence import Presence, ServerLife
from trustplane.spiffe.names import NodeName

A, B = NodeName("node-a"), NodeName("node-b")


@dataclass
class Memory:
    """What the database keeps; `tests/contracts/store/test_presence.py` holds the real one to the same."""

    lives: dict[NodeName, ServerLife] = field(default_factory=dict)
    rows: dict[NodeName, Presence] = field(default_factory=dict)


@dataclass
class Replica:
    """A server as far as presence goes."""

    memory: Memory
    clock: VirtualClock
    name: str
    is_shared: bool = True
    is_cut: bool = False
    writes: int = 0
    connected: ConnectedAgents = field(default_factory=ConnectedAgents)

    def __post_init__(self) -> None:
        self.sharing = SharePresence(self, self.connected, NodeName(self.name), self.clock)

    def come(self, node: NodeName) -> Connection:
        connection = Connection(node, "1", lambda: None)
        self.connected.opened(connection)
        return connection

    async def put_presence(
        self, life: ServerLife, came: Iterable[NodeName], left: Iterable[NodeName], at: datetime
    ) -> None:
        if self.is_cut:
            raise Unavailable(code="store-busy", what="the database is away", why="a test", fix="wait")
        self.writes += 1
        rows = self.memory.rows
        self.memory.lives[life.server] = life
        rows.update({node: Presence(node, life.server, life.life, is_connected=True, since=at) for node in came})
        rows.update(
            {
                node: replace(rows[node], is_connected=False, since=at)
                for node in left
                if node in rows and rows[node].server == life.server
            }
        )

    async def forget_ended_lives(self, at: datetime) -> None: ...

    async def presence(self) -> tuple[Sequence[ServerLife], Sequence[Presence]]:
        return tuple(self.memory.lives.values()), tuple(self.memory.rows.values())


def two() -> tuple[Replica, Replica, VirtualClock]:
    memory, clock = Memory(), VirtualClock(NOON)
    return Replica(memory, clock, "server-1"), Replica(memory, clock, "server-2"), clock


@contextlib.asynccontextmanager
async def running(*replicas: Replica) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(each.sharing.run()) for each in replicas]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def test_each_sees_the_agents_of_the_other() -> None:
    async def main() -> None:
        one, other, _ = two()
        one.come(A)
        connection = other.come(B)
        for each in (one, other):
            await each.sharing.tell()
        for each in (one, other):
            assert (await each.sharing.attendance()).connected == {A, B}
        other.connected.closed(connection)
        await other.sharing.tell()
        assert (await one.sharing.attendance()).away_since == {B: NOON}

    asyncio.run(main())


def test_who_moved_on_is_not_taken_away_by_the_server_it_left() -> None:
    async def main() -> None:
        one, other, _ = two()
        lost = one.come(A)
        await one.sharing.tell()
        other.come(A)
        await other.sharing.tell()
        one.connected.closed(lost)
        await one.sharing.tell()
        assert (await one.sharing.attendance()).connected == {A}

    asyncio.run(main())


def test_a_server_that_cannot_write_loses_its_agents_and_gets_them_back() -> None:
    async def main() -> None:
        one, other, clock = two()
        other.come(A)
        async with running(one, other):
            await clock.advance(GATHER)
            assert (await one.sharing.attendance()).connected == {A}
            other.is_cut = True
            await clock.advance(LIFE + BEAT)
            attendance = await one.sharing.attendance()
            assert not attendance.connected
            assert list(attendance.servers_away_since) == [NodeName("server-2")]
            other.is_cut = False
            await clock.advance(BEAT)
            assert (await one.sharing.attendance()).connected == {A}

    asyncio.run(main())


def test_a_thousand_that_come_at_once_are_one_write_and_staying_costs_a_beat() -> None:
    async def main() -> None:
        one, alone, clock = two()
        alone.is_shared = False
        async with running(one, alone):
            await clock.advance(GATHER)
            before = one.writes, alone.writes
            for number in range(1000):
                for each in (one, alone):
                    each.come(NodeName(f"n{number}"))
            await clock.advance(GATHER)
            assert (one.writes, alone.writes) == (before[0] + 1, before[1] + 1)
            await clock.advance(6 * BEAT)
            assert one.writes == before[0] + 7, "a beat each"
            assert alone.writes == before[1] + 1, "a server that shares with nobody says nothing"

    asyncio.run(main())
