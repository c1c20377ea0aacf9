"""Before anything is signed for an agent: whose turn it is.

`rotation.queue` decides; here callers wait, are called up, or are told when to come back. What is called up at once is
issued at once, in the caller's own task: who hangs up loses its places, and nothing is signed for it. No more is under
way than is answered within a moment, so whoever waits does so where the nearest expiry goes first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.clock import Clock
from trustplane.fault import Fault, Unavailable
from trustplane.flows.issuing.issue import Issued, Request
from trustplane.rotation.pace import SigningPace
from trustplane.rotation.queue import AdmissionQueue
from trustplane.spiffe.names import NodeName

LONGEST_SLEEP = timedelta(seconds=1)


class Issuer(Protocol):
    async def issue(self, node: NodeName, requests: Sequence[Request], at: datetime) -> Sequence[Issued | Fault]: ...


@dataclass(slots=True, eq=False)
class _Caller:
    """One call: what came of each of its requests, and which of them are called up."""

    outcomes: list[Issued | Fault | None]
    standing: int
    called: list[int] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)


_Ticket = tuple[_Caller, int]


class IssueInTurn:
    """Satisfies the port of its own issuer. `run` must be running too."""

    def __init__(self, issuer: Issuer, pace: SigningPace, clock: Clock) -> None:
        self._issuer = issuer
        self._pace = pace
        self._clock = clock
        self._queue: AdmissionQueue[_Ticket, NodeName] = AdmissionQueue(pace.limits, clock.now())
        self._stirred = asyncio.Event()
        self.under_way = 0
        self.sent_away = 0
        self.hung_up = 0

    def __len__(self) -> int:
        """Requests that wait for their turn."""
        return len(self._queue)

    @property
    def per_second(self) -> float:
        return self._pace.per_second

    async def run(self) -> None:
        """Call up whoever's turn comes by the time alone."""
        while True:
            if not len(self._queue):
                self._stirred.clear()
                await self._stirred.wait()
            await self._clock.sleep(self._pause())
            self._call_up()

    def _pause(self) -> timedelta:
        at = self._clock.now()
        following = self._queue.next_at(at) if self.under_way < self._pace.under_way else None
        # Never long: some wait for nothing but to be sent away, and a clock that is set back must hold up nobody.
        return LONGEST_SLEEP if following is None else min(following - at, LONGEST_SLEEP)

    async def issue(self, node: NodeName, requests: Sequence[Request], at: datetime) -> Sequence[Issued | Fault]:
        """One answer per request, in their order. Raises only what concerns them all."""
        caller = _Caller([None] * len(requests), 0)
        try:
            self._take_in(caller, node, requests, at)
            self._call_up()
            while caller.standing or caller.called:
                if not caller.called:
                    caller.moved.clear()
                    await caller.moved.wait()
                    continue
                await self._issue_called(caller, node, requests)
        finally:
            self._leave(caller)
        return [one for one in caller.outcomes if one is not None]

    def _take_in(self, caller: _Caller, node: NodeName, requests: Sequence[Request], at: datetime) -> None:
        for place, request in enumerate(requests):
            caller.standing += 1
            # What has ended is worth nothing: no claim brings anyone before those who hold nothing.
            until = request.held_until
            shed = self._queue.offer(at, (caller, place), node, until if until is not None and until > at else None)
            if shed is not None:
                self._send_away(*shed.ticket, shed.wait)

    def _send_away(self, caller: _Caller, place: int, wait: timedelta) -> None:
        self.sent_away += 1
        caller.standing -= 1
        caller.outcomes[place] = _busy(wait)
        caller.moved.set()

    def _call_up(self) -> None:
        at, room = self._clock.now(), self._pace.under_way - self.under_way
        for caller, place in self._queue.take(at, max(room, 0)):
            self.under_way += 1
            caller.standing -= 1
            caller.called.append(place)
            caller.moved.set()
        for shed in self._queue.overdue(at):
            self._send_away(*shed.ticket, shed.wait)
        self._stirred.set()

    async def _issue_called(self, caller: _Caller, node: NodeName, requests: Sequence[Request]) -> None:
        places, caller.called = sorted(caller.called), []
        outcomes: Sequence[Issued | Fault]
        try:
            wanted = [requests[place] for place in places]
            outcomes = await self._issuer.issue(node, wanted, self._clock.now())
        except Fault as of_all:
            self._pace.interrupted()
            if len(places) == len(requests):
                raise
            # Those that were signed before are not lost for it.
            outcomes = [of_all] * len(places)
        else:
            self._measure(len(places))
        finally:
            self.under_way -= len(places)
            self._call_up()
        for place, outcome in zip(places, outcomes, strict=True):
            caller.outcomes[place] = outcome

    def _measure(self, signed: int) -> None:
        if self._pace.signed(signed, self._clock.now(), waiting=len(self._queue) > 0):
            self._queue.keep_to(self._pace.limits)

    def _leave(self, caller: _Caller) -> None:
        """Nothing of a caller that has gone stays behind."""
        if not caller.standing and not caller.called:
            return
        self.hung_up += 1
        for place in range(len(caller.outcomes)):
            caller.standing -= self._queue.withdraw((caller, place))
        self.under_way -= len(caller.called)
        self._call_up()


def _busy(wait: timedelta) -> Unavailable:
    return Unavailable(
        code="issuing-busy",
        what=f"this server signs for others first; the turn is in {wait.total_seconds():.1f} s",
        why="more is asked of it than it can sign, and who has the least time left is served first",
        fix="nothing: the agent comes back at its turn",
        retry_after=wait,
    )
