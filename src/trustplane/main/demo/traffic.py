"""Customers who buy, an owner who reads the report, and one call a second that must be refused.

The refused call goes where reporting's own sidecar leads: reporting may read the ledger, and here it tries to write to
it. Its sidecar carries the request over mTLS; the ledger's sidecar knows who is asking and answers 403.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx

CUSTOMERS = 4
PAUSE_SECONDS = 0.02
PATIENCE_SECONDS = 20.0
MAX_FAILURES_TOLD = 20
ITEMS = ("tea", "cup", "kettle")


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the demo itself knocks: two services in the clear, and one port of reporting's sidecar."""

    web: str
    reporting: str
    ledger_by_reporting: str


@dataclass(slots=True)
class Counts:
    requests: int = 0
    failed: int = 0
    refused: int = 0
    first_at: float | None = None
    began_at: float | None = None
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=2000))
    failures: list[str] = field(default_factory=list)

    def ok(self) -> None:
        now = time.monotonic()
        self.requests += 1
        self.recent.append(now)

    def wrong(self, what: str) -> None:
        self.requests += 1
        self.failed += 1
        if len(self.failures) < MAX_FAILURES_TOLD:
            self.failures.append(what)

    def rps(self) -> float:
        """Over the last seconds, for the screen."""
        since = time.monotonic() - 5
        return sum(at > since for at in self.recent) / 5


class Traffic:
    def __init__(self, doors: Doors, counts: Counts, tell: Callable[[str], None]) -> None:
        self._doors = doors
        self._counts = counts
        self._tell = tell
        self._stop = asyncio.Event()

    async def warm_up(self, within: float) -> None:
        """Try everything until it works. Before that nothing is counted: sidecars still learn of each other."""
        async with _client() as client, asyncio.timeout(within):
            await _until_right(lambda: self._order(client, ITEMS[0]))
            self._counts.first_at = time.monotonic()
            await _until_right(lambda: self._report(client))
            await _until_right(lambda: self._forbidden(client))

    async def run(self) -> None:
        """Until `stop`; requests under way are finished."""
        self._counts.began_at = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(CUSTOMERS):
                group.create_task(self._customer(number))
            group.create_task(self._owner())
            group.create_task(self._intruder())

    def stop(self) -> None:
        self._stop.set()

    async def _customer(self, number: int) -> None:
        async with _client() as client:
            while not self._stop.is_set():
                self._count(await self._order(client, ITEMS[number % len(ITEMS)]))
                await asyncio.sleep(PAUSE_SECONDS)

    async def _owner(self) -> None:
        async with _client() as client:
            while not self._stop.is_set():
                self._count(await self._report(client))
                await asyncio.sleep(0.2)

    async def _intruder(self) -> None:
        async with _client() as client:
            while not self._stop.is_set():
                wrong = await self._forbidden(client)
                if wrong:
                    self._count(wrong)
                else:
                    self._counts.refused += 1
                    if self._counts.refused == 1:
                        self._tell("reporting tried to write to the ledger: 403, refused as it should be")
                await asyncio.sleep(1.0)

    def _count(self, wrong: str) -> None:
        if wrong:
            self._counts.wrong(wrong)
            self._tell(f"FAILED: {wrong}")
        else:
            self._counts.ok()

    async def _order(self, client: httpx.AsyncClient, item: str) -> str:
        return await _expect(client, "POST", f"{self._doors.web}/order", {"item": item, "count": 1}, 200)

    async def _report(self, client: httpx.AsyncClient) -> str:
        return await _expect(client, "GET", f"{self._doors.reporting}/report", None, 200)

    async def _forbidden(self, client: httpx.AsyncClient) -> str:
        entry = {"order": 1, "cents": 1}
        return await _expect(client, "POST", f"{self._doors.ledger_by_reporting}/entries", entry, 403)


async def _until_right(attempt: Callable[[], Awaitable[str]]) -> None:
    while True:
        if not await attempt():
            return
        await asyncio.sleep(0.05)


def _client() -> httpx.AsyncClient:
    # The environment's proxies are for the internet, not for this machine.
    return httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False)


async def _expect(client: httpx.AsyncClient, method: str, url: str, body: object, status: int) -> str:
    """Nothing when the answer is the expected one, else what came instead."""
    try:
        answer = await client.request(method, url, json=body)
    except httpx.HTTPError as error:
        return f"{method} {url}: {type(error).__name__} {error}"
    return "" if answer.status_code == status else f"{method} {url}: {answer.status_code} {answer.text[:200]}"
