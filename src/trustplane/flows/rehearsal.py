"""Rehearsals: a fault put in on purpose, and what must happen held against what was seen.

A rehearsal that passes has shown every one of its checks; one that could not be played here has passed nothing. None
can hold up the others: each has a limit of time, and a fault that ends one is what was seen of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Protocol

from trustplane.fault import Fault, Finding, Refused

_CANNOT_RUN = "rehearsal-cannot-run"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must happen, where it shows, and what showed there. `tells`: worth reading when all is well."""

    must: str
    seen: str
    holds: bool
    tells: bool = False


class Verdict(Enum):
    PASSED = "passed"
    FAILED = "failed"
    CANNOT_RUN = "cannot run here"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """`play` puts the fault in, looks, and takes it out again."""

    name: str
    fault: str
    must: str
    play: Callable[[], Awaitable[Sequence[Check]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`ended_by`: the fault that ended it before all was seen."""

    name: str
    fault: str
    must: str
    checks: tuple[Check, ...]
    ended_by: Finding | None
    took: timedelta

    @property
    def verdict(self) -> Verdict:
        if self.ended_by is not None:
            return Verdict.CANNOT_RUN if self.ended_by.code == _CANNOT_RUN else Verdict.FAILED
        return Verdict.PASSED if self.checks and all(one.holds for one in self.checks) else Verdict.FAILED


class Audience(Protocol):
    def begins(self, rehearsal: Rehearsal) -> None: ...

    def ended(self, outcome: Outcome) -> None: ...


class Rehearse:
    def __init__(self, audience: Audience, elapsed: Callable[[], timedelta], limit: timedelta) -> None:
        """`limit` is for one rehearsal; `elapsed` counts whatever the clock is set to."""
        self._audience = audience
        self._elapsed = elapsed
        self._limit = limit

    async def run(self, lanes: Sequence[Iterator[Rehearsal]]) -> tuple[Outcome, ...]:
        """Lanes at once, each taking its next rehearsal when it is done; lanes may share an iterator."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._lane(lane)) for lane in lanes]
        return tuple(outcome for task in tasks for outcome in task.result())

    async def _lane(self, lane: Iterator[Rehearsal]) -> list[Outcome]:
        return [await self._one(rehearsal) for rehearsal in lane]

    async def _one(self, rehearsal: Rehearsal) -> Outcome:
        self._audience.begins(rehearsal)
        began = self._elapsed()
        checks: Sequence[Check] = ()
        ended_by = None
        try:
            async with asyncio.timeout(self._limit.total_seconds()):
                checks = await rehearsal.play()
        except Fault as fault:
            ended_by = fault.finding
        except TimeoutError:
            ended_by = self._too_long(rehearsal)
        took = self._elapsed() - began
        outcome = Outcome(rehearsal.name, rehearsal.fault, rehearsal.must, tuple(checks), ended_by, took)
        self._audience.ended(outcome)
        return outcome

    def _too_long(self, rehearsal: Rehearsal) -> Finding:
        return Finding(
            code="rehearsal-too-long",
            what=f"the rehearsal {rehearsal.name} did not end",
            why=f"it was given {self._limit.total_seconds():.0f} seconds",
            fix=f"trustplane rehearse {rehearsal.name}, alone and on a machine with less to do",
        )


def cannot_run(what: str, why: str, fix: str) -> Refused:
    """This machine, or this user, cannot have that fault put in."""
    return Refused(code="rehearsal-cannot-run", what=what, why=why, fix=fix)
