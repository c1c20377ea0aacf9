"""Tells open pages that there is something newer, by server-sent events.

An event carries no figures: who hears it asks for the page, with their rights as they are then. Its id names a state,
so whoever comes back with the newest id hears nothing, and whoever missed something hears so at once. Streams are few,
and end with the session.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from datetime import timedelta

from trustplane.clock import Clock
from trustplane.fault import Unavailable
from trustplane.flows.feed import Feed
from trustplane.people.session import SignedIn

MOST_STREAMS = 64
MOST_OF_ONE_ACCOUNT = 8
TICK = timedelta(seconds=10)  # ages and what is left move without anything being written
QUIET = timedelta(seconds=1)  # between two events of a stream

IsAlive = Callable[[bytes], Awaitable[bool]]


class Live:
    def __init__(self, is_alive: IsAlive, clock: Clock) -> None:
        self._is_alive = is_alive
        self._clock = clock
        self._epoch = secrets.token_hex(4)
        self._number: Feed[int | None] = Feed(0)  # None: the server stops
        self._open: Counter[str] = Counter()

    @property
    def version(self) -> str:
        """Of what a page that is made now shows."""
        return f"{self._epoch}.{self._number.value}"

    @property
    def streams(self) -> int:
        return self._open.total()

    def close(self) -> None:
        self._number.publish(None)

    async def run(self, changes: AsyncIterable[object]) -> None:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(self._tick())
            async for _ in changes:
                self._bump()
            ticking.cancel()

    async def stream(self, who: SignedIn, seen: str) -> AsyncIterator[bytes]:
        """Unavailable as `too-many-streams`; counted until the iterator is closed."""
        name = who.name.name
        if self.streams >= MOST_STREAMS or self._open[name] >= MOST_OF_ONE_ACCOUNT:
            raise _too_many()
        self._open[name] += 1
        return self._events(name, who.session.token_sha256, seen)

    async def _events(self, name: str, session: bytes, seen: str) -> AsyncIterator[bytes]:
        try:
            yield b"retry: 2000\n\n"
            async for number in self._number.values():
                if number is None:
                    return
                if not await self._is_alive(session):
                    yield b"event: ended\ndata: sign in\n\n"
                    return
                if self.version != seen:
                    seen = self.version
                    yield f"event: changed\nid: {seen}\ndata: reload\n\n".encode()
                    await self._clock.sleep(QUIET)
        finally:
            self._open[name] -= 1

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK)
            self._bump()

    def _bump(self) -> None:
        number = self._number.value
        if number is not None:
            self._number.publish(number + 1)


def _too_many() -> Unavailable:
    return Unavailable(
        code="too-many-streams",
        what="too many pages are kept live",
        why=f"at most {MOST_STREAMS} are, and {MOST_OF_ONE_ACCOUNT} of one account",
        fix="close some; the page reloads by itself meanwhile",
        retry_after=timedelta(seconds=30),
    )
