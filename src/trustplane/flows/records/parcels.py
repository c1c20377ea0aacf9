"""Parcels, one after the other, and how often the one of now is written down and when it is closed.

It is written to disk every other second, so a node that dies loses no more than that and what its proxies had not sent.
It is closed after a minute, or sooner when something in it should be seen soon.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

import structlog

from trustplane.clock import Clock
from trustplane.fault import Unavailable
from trustplane.registry.parcels import ParcelId
from trustplane.spiffe.names import NodeName

STEP = timedelta(seconds=2)
WINDOW = timedelta(minutes=1)
PROMPT = timedelta(seconds=6)
CLOSING = 3  # writes at most, while proxies go on telling

Sent = TypeVar("Sent", contravariant=True)
P = TypeVar("P")
Packed = TypeVar("Packed", covariant=True)


class Spool(Protocol[Sent]):
    async def write(self, parcel: Sent) -> int:
        """Durable when it returns, in place of what has the same number. How much that was told had to make room."""
        ...

    async def close(self, number: int) -> None:
        """That parcel is complete and may be delivered."""
        ...


class Content(Protocol[Packed]):
    """What the parcel of now holds."""

    def packed(self, parcel: ParcelId, since: datetime) -> Packed: ...

    def begin(self) -> None:
        """Empty again: what was packed last is complete."""
        ...

    def lose(self, count: int) -> None:
        """So much of earlier parcels had to leave."""
        ...


class ParcelsInTurn(Generic[P]):
    def __init__(self, node: NodeName, stream: str, content: Content[P], spool: Spool[P], clock: Clock) -> None:
        self._node = node
        self._stream = stream
        self._content = content
        self._spool = spool
        self._clock = clock
        self._number = 1
        self._log = structlog.get_logger("parcels")
        self._begin()

    def _begin(self) -> None:
        self._since: datetime | None = None
        self._is_prompt = False
        self._is_changed = False

    def changed(self, *, prompt: bool = False) -> None:
        """`prompt`: somebody should see it soon."""
        self._since = self._since or self._clock.now()
        self._is_changed = True
        self._is_prompt = self._is_prompt or prompt

    async def run(self) -> None:
        while True:
            await self._clock.sleep(STEP)
            try:
                await self.keep()
            except Unavailable as fault:
                self._log.warning("what proxies told stays in memory", code=fault.code, what=fault.finding.what)

    async def keep(self) -> None:
        """Write down what was told so far; close the parcel when its time has come."""
        if self._is_changed:
            await self._write()
        since = self._since
        if since is not None and self._clock.now() - since >= (PROMPT if self._is_prompt else WINDOW):
            await self.close()

    async def close(self) -> None:
        """Also when the agent stops. What was told while it was being written is written too, or it stays open."""
        for _ in range(CLOSING):
            if self._is_changed:
                await self._write()
        if self._since is not None and not self._is_changed:
            number, self._number = self._number, self._number + 1
            self._begin()
            self._content.begin()
            await self._spool.close(number)

    async def _write(self) -> None:
        self._is_changed = False
        name = ParcelId(self._node, self._stream, self._number)
        try:
            left = await self._spool.write(self._content.packed(name, self._since or self._clock.now()))
        except Unavailable:
            self._is_changed = True
            raise
        if left:
            self._content.lose(left)
            self.changed()
