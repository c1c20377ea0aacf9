"""The ports of `wire.xds` for a bench: what each proxy should hold, and what it said it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

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


class Desired:
    """What each sidecar should hold. Whoever reaches the socket, in a folder of our own, gets what it names."""

    def __init__(self) -> None:
        self.sidecars: dict[str, Published] = {}
        self._number = 0
        self._moved = asyncio.Event()

    def sidecar(self, selectors: frozenset[Selector], node_id: str) -> Published | None:  # noqa: ARG002 - the port's
        return self.sidecars.get(node_id)

    def secrets(self, selectors: frozenset[Selector]) -> Published | None:  # noqa: ARG002 - the port's
        return None

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


class AnyPeer:
    """Attests nothing of anyone: on a bench there is nobody to keep out."""

    async def selectors(self, peer: str) -> frozenset[Selector]:  # noqa: ARG002 - the port's
        return frozenset()
