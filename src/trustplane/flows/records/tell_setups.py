"""What each sidecar of this node is, told when it changes: the server compares those that fail with those that do not.

It is told again once an hour, since a parcel that told it may have been lost.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.clock import Clock
from trustplane.handshake.failure import Claims
from trustplane.handshake.reported import Held
from trustplane.handshake.setup import Became, Setup
from trustplane.spiffe.names import ServiceName

STEP = timedelta(seconds=5)
AGAIN = timedelta(hours=1)

Given = Callable[[ServiceName, datetime], tuple[Held, Claims]]


class Sink(Protocol):
    def became(self, one: Became) -> bool:
        """Whether there was room for it."""
        ...


class SetupOf:
    """`given`: what the agent had given a sidecar by then. `build`: its Envoy's, as that says it."""

    def __init__(self, given: Given, build: Callable[[ServiceName], tuple[int, ...]], agent: str) -> None:
        self._given = given
        self._build = build
        self._agent = agent

    def __call__(self, service: ServiceName, at: datetime) -> Setup:
        held, _ = self._given(service, at)
        return Setup(".".join(map(str, self._build(service))), self._agent, held.bundle, held.revision)


class TellSetups:
    def __init__(self, listening: Callable[[], frozenset[ServiceName]], of: SetupOf, sink: Sink, clock: Clock) -> None:
        self._listening = listening
        self._of = of
        self._sink = sink
        self._clock = clock
        self._told: dict[ServiceName, Became] = {}

    async def run(self) -> None:
        while True:
            await self._clock.sleep(STEP)
            self.look()

    def look(self) -> None:
        at = self._clock.now()
        for service in sorted(self._listening()):
            now, before = Became(service, at, self._of(service, at)), self._told.get(service)
            is_news = before is None or before.setup != now.setup or at - before.at >= AGAIN
            if is_news and self._sink.became(now):
                self._told[service] = now
