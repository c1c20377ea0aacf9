"""The ports of `wire.xds`, kept by a test: who calls, what each proxy should hold, and what it said it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from trustplane.fault import Refused
from trustplane.spiffe.selectors import Selector
from trustplane.xds.conversation import Held
from trustplane.xds.guards import Published

PATIENCE = timedelta(seconds=30)


class Recorded:
    """What sidecars hold, as `wire.xds` reported it."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], Held] = {}
        self.reports: list[tuple[str, Held]] = []
        self._moved = asyncio.Event()

    def opened(self, participant: str, *, managed: bool) -> None:
        """Only what proxies hold is kept here."""

    def closed(self, participant: str, *, managed: bool) -> None:
        """Only what proxies hold is kept here."""

    def report(self, participant: str, held: Held) -> None:
        self.held[participant, held.thing] = held
        self.reports.append((participant, held))
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def until(self, found: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while not found():
                await self._moved.wait()


ROOT = frozenset({Selector("unix:uid", "0")})


def _not_entitled(who: str) -> Refused:
    return Refused(code="not-entitled", what=f"{who} is not for you", why="the test says so", fix="be uid 0")


class Desired:
    """What each proxy should hold, kept by the test. Only `ROOT` is entitled to any of it."""

    def __init__(self) -> None:
        self.sidecars: dict[str, Published] = {}
        self.known_but_not_loaded: set[str] = set()
        self.identities: Published | None = None
        self._number = 0
        self._moved = asyncio.Event()

    def sidecar(self, selectors: frozenset[Selector], node_id: str) -> Published | None:
        if selectors != ROOT or node_id not in self.known_but_not_loaded.union(self.sidecars):
            raise _not_entitled(node_id)
        return self.sidecars.get(node_id)

    def secrets(self, selectors: frozenset[Selector]) -> Published | None:
        if selectors != ROOT:
            raise _not_entitled("an identity")
        return self.identities

    def publish(self, node_id: str, found: Published) -> None:
        self.sidecars[node_id] = found
        self.move()

    def move(self) -> None:
        self._number += 1
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def changed(self, since: int) -> int:
        while self._number <= since:
            await self._moved.wait()
        return self._number


class Attested:
    """Attests every peer as `found`, and remembers who asked."""

    def __init__(self) -> None:
        self.found = ROOT
        self.asked: list[str] = []

    async def selectors(self, peer: str) -> frozenset[Selector]:
        self.asked.append(peer)
        return self.found
