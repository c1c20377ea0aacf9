"""What an agent keeps over a restart, so that it serves its node while no server is there.

Loaded once, before any socket answers; saved whole whenever a leaf or the view changed, off the loop's thread, changes
that come meanwhile together. Neither can stop the agent: a cache that cannot be used, or written, is reported, and the
agent goes on with what it has. Whether a leaf may be used is not decided here: only by its certificate and the clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault, Refused
from trustplane.flows.clock_skew import Skew
from trustplane.flows.feed import Feed
from trustplane.flows.retry import Patience
from trustplane.registry.view import NodeView
from trustplane.rotation.leaf import Kept
from trustplane.spiffe.x509_svid import KeyedSvid

BETWEEN_SAVES = timedelta(milliseconds=200)
LONGEST_WAIT = timedelta(seconds=30)
CLOCK_SLACK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class KeptLeaf:
    """`renew_at` of none: at once. `renewal` is the state of its renewal machine, if it has one."""

    keyed: KeyedSvid
    renew_at: datetime | None
    renewals: int = 0
    renewal: Kept | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """Bundles are in the view."""

    saved_at: datetime
    view: NodeView
    leaves: tuple[KeptLeaf, ...]
    skew: Skew | None = None

    def same_content(self, other: Remembered | None) -> bool:
        return other is not None and (self.view, self.leaves) == (other.view, other.leaves)


class Cache(Protocol):
    def load(self) -> Remembered | None:
        """None when there is none. Refuses, and sets aside, what cannot be trusted."""
        ...

    def save(self, remembered: Remembered) -> None: ...


class RememberIdentities:
    def __init__(self, cache: Cache, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock
        self._saved: Remembered | None = None
        self._log = structlog.get_logger("cache")
        self.failed_saves = 0
        self.fault: Fault | None = None

    def holds(self, leaves: tuple[KeptLeaf, ...]) -> bool:
        """Whether a restart now would find these."""
        return self._saved is not None and self._saved.leaves == leaves

    def load(self) -> Remembered | None:
        """Blocks: call it before anything is served."""
        try:
            found = self._cache.load()
        except Fault as fault:
            self._report("cached identities not used", fault)
            return None
        if found is not None:
            at = self._clock.now()
            if found.saved_at > at + CLOCK_SLACK:
                self._report("clock", _clock_behind(found.saved_at, at))
            self._saved = found
            self._log.info("identities from the cache", leaves=len(found.leaves), saved_at=str(found.saved_at))
        return found

    async def run(self, changes: Feed[Any], current: Callable[[], Remembered | None], random: Random) -> None:
        """Save what `current` says, now and whenever `changes` moved."""
        patience = Patience(LONGEST_WAIT, random)
        async for _ in changes.values():
            while (wanted := current()) is not None and not wanted.same_content(self._saved):
                if await self._save(wanted):
                    patience.start_over()
                    await self._clock.sleep(BETWEEN_SAVES)
                else:
                    await self._clock.sleep(patience.next_wait())

    async def _save(self, wanted: Remembered) -> bool:
        try:
            await asyncio.to_thread(self._cache.save, wanted)
        except Fault as fault:
            self.failed_saves += 1
            self._report("identities not saved; they are served all the same", fault)
            return False
        if self.fault is not None:
            self._log.info("identities saved again")
        self.fault = None
        self._saved = wanted
        return True

    def _report(self, event: str, fault: Fault) -> None:
        if self.fault is None or self.fault.code != fault.code:
            self._log.warning(event, code=fault.code, what=fault.finding.what, fix=fault.finding.fix)
        self.fault = fault.with_traceback(None)


def _clock_behind(saved_at: datetime, at: datetime) -> Refused:
    return Refused(
        code="clock-behind",
        what=f"this machine's clock says {at:%Y-%m-%d %H:%M:%S} UTC, before the instant it saved its identities",
        why=f"they were saved at {saved_at:%Y-%m-%d %H:%M:%S} UTC, so the clock was set back, or was ahead then",
        fix="set the clock, for example with chronyc makestep; what is valid is used as soon as it is right",
    )
