"""How many handshakes the sidecars of this node completed, by Envoy's own figures: one look instead of an entry each.

Under TLS 1.3 a client has completed its handshake before the server has judged it, so a client's figure has in it what
a server refused. What was completed after the last look at an Envoy that ends, or while there was no agent, is not
counted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Protocol

from trustplane.clock import Clock
from trustplane.fault import Fault
from trustplane.handshake.failure import Side
from trustplane.spiffe.names import ServiceName

STEP = timedelta(seconds=15)
AT_ONCE = 8
STATISTICS = r"^(listener\.[^/]+|cluster\.outbound/.+)\.ssl\.handshake$"
_INBOUND = re.compile(r"listener\.[^/]+\.ssl\.handshake")

Ask = Callable[[ServiceName], Awaitable[Mapping[str, int]]]


class Counts(Protocol):
    def completed(self, service: ServiceName, side: Side, count: int) -> None: ...


class CountHandshakes:
    def __init__(
        self,
        listening: Callable[[], frozenset[ServiceName]],
        ask: Ask,
        counts: Counts,
        clock: Clock,
        earlier: frozenset[ServiceName] = frozenset(),
    ) -> None:
        """`ask` gets the figures of a sidecar's Envoy, or is refused. `earlier`: those that another agent counted."""
        self._listening = listening
        self._ask = ask
        self._counts = counts
        self._clock = clock
        self._earlier = earlier
        self._seen: dict[ServiceName, Mapping[str, int]] = {}

    async def run(self) -> None:
        while True:
            await self._clock.sleep(STEP)
            await self.look()

    async def look(self) -> None:
        services = sorted(self._listening())
        for start in range(0, len(services), AT_ONCE):
            await asyncio.gather(*map(self._count, services[start : start + AT_ONCE]))

    async def _count(self, service: ServiceName) -> None:
        try:
            figures = await self._ask(service)
        except Fault:
            return  # whoever measures connections says that an Envoy does not answer
        # What is there at the first look was counted by the agent before this one, if there was one.
        before = self._seen.get(service, figures if service in self._earlier else {})
        self._seen[service] = figures
        sums = {Side.SERVER: 0, Side.CLIENT: 0}
        for name, value in figures.items():
            # Less than before: it is another Envoy, and begins again.
            known = before.get(name, 0)
            side = Side.SERVER if _INBOUND.fullmatch(name) else Side.CLIENT
            sums[side] += value - known if value >= known else value
        for side, count in sums.items():
            self._counts.completed(service, side, count)
