"""Proposals from being made to what came of them: judge, write down, have decided, act once, write down the outcome.

An approval and its word in the audit log are one transaction, and only who made that one step acts. When the server is
killed after it, the next start looks whether the act was done, writes that down, and never does it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.audit import proposal_events as events
from trustplane.audit.proposal_events import Which
from trustplane.clock import Clock
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.people.person import Person
from trustplane.people.proposal import (
    CARRIED_OUT_WITHIN,
    Approved,
    CarriedOut,
    Declined,
    Event,
    Failed,
    Phase,
    Proposal,
    Ticked,
    Withdrawn,
    feed,
    glass_broken,
    proposal_unknown,
    proposed,
    word_of,
)
from trustplane.people.proposed_act import Act, ActKind, Judged

LOOKED_AFTER_EVERY = timedelta(minutes=1)
MOST_LISTED = 200
LATELY = 20
OWN = "trustplane"  # who decides when nobody does
INTERRUPTED = (
    "interrupted: the server stopped after the approval, and the act is not on record as done; look at what is there "
    "before proposing it again"
)
UNTOLD = Judged({}, ("Nobody could say beforehand what would happen.",))


class Records(Protocol):
    async def add_proposal(self, proposal: Proposal, note: Callable[[Proposal], bytes], at: datetime) -> Proposal:
        """Numbered. Refused as `too-many-proposals`."""
        ...

    async def move_proposal(self, proposal: Proposal, bodies: Sequence[bytes], at: datetime) -> bool: ...

    async def proposal(self, number: int) -> Proposal | None: ...

    async def open_proposals(self) -> Sequence[Proposal]: ...

    async def newest_proposals(self, limit: int) -> Sequence[Proposal]: ...


class Doing(Protocol):
    """One kind of act, by the flow that does it for everyone."""

    async def judge(self, act: Act) -> Judged:
        """What would happen now. Refused with every reason why it cannot."""
        ...

    async def carry_out(self, act: Act, by: str) -> str:
        """What came of it, in words."""
        ...

    async def was_carried_out(self, act: Act, by: str) -> str | None:
        """What came of it, if it was done by exactly these words of who; None if it was not."""
        ...


class KeepProposals:
    def __init__(
        self,
        records: Records,
        doing: Mapping[ActKind, Doing],
        clock: Clock,
        carrier: str,
        required: frozenset[ActKind] = frozenset(),
    ) -> None:
        """`carrier` is this server's name. `required`: acts that also the admin socket only proposes."""
        self._records = records
        self._doing = doing
        self._clock = clock
        self._carrier = carrier
        self.required = required
        self._acting: set[asyncio.Future[Proposal]] = set()
        self._log = structlog.get_logger("proposals")

    async def judge(self, act: Act) -> Judged:
        """What would be proposed. Refused when it cannot be done."""
        return await self._doing[act.kind].judge(act)

    async def propose(self, act: Act, by: Person, why: str) -> Proposal:
        at = self._clock.now()
        made = proposed(act, await self.judge(act), by, word_of(why), at)
        return await self._records.add_proposal(made, _made, at)

    async def approve(self, number: int, digest: str, by: Person, word: str) -> Proposal:
        """As it ended. `digest` is of what was read; nothing else is approved."""
        one = await self._waiting(number)
        if digest != one.digest or not one.is_whole:
            raise _altered(one)
        approved, effects = feed(one, Approved(by, word_of(word), self._carrier), self._clock.now())
        await self._still_judged_so(approved)
        moved = await self._move(approved, [_decided("approved", approved)])
        for effect in effects:
            moved = await self._to_its_end(self._carry_out(moved, effect.act))
        return moved

    async def refuse(self, number: int, by: Person, word: str) -> Proposal:
        return await self._end(number, Declined(by, word_of(word)), "refused")

    async def withdraw(self, number: int, by: Person) -> Proposal:
        return await self._end(number, Withdrawn(by), "withdrawn")

    @asynccontextmanager
    async def broken_glass(self, act: Act, by: Person, why: str) -> AsyncIterator[None]:
        """Around an act that is done at once, alone. It is listed and told of like one that was approved."""
        at = self._clock.now()
        try:
            judged = await self.judge(act)
        except (Refused, Unavailable):  # whether it can be done, the act itself says; nothing else holds it up
            judged = UNTOLD
        made = glass_broken(act, judged, by, why, at, self._carrier)
        one = await self._records.add_proposal(made, _glass, at)
        self._log.warning("glass broken", number=one.number, act=act.kind.value, by=by.name, why=one.why)
        try:
            yield
        except Fault as fault:
            await self._outcome(one, Failed(_told(fault)))
            raise
        await self._outcome(one, CarriedOut("done at once"))

    async def one(self, number: int) -> Proposal:
        """As it is now, also when nobody wrote down yet that its time is over."""
        found = await self._records.proposal(number)
        if found is None:
            raise proposal_unknown(number)
        return self._now(found)

    async def newest(self, limit: int = MOST_LISTED) -> Sequence[Proposal]:
        return [self._now(one) for one in await self._records.newest_proposals(limit)]

    async def lately(self) -> Sequence[Proposal]:
        """What waits, and what was decided last, the newest first: read often, so not all of it."""
        found = {one.number: one for one in await self._records.newest_proposals(LATELY)}
        found |= {one.number: one for one in await self._records.open_proposals()}
        return [self._now(one) for _, one in sorted(found.items(), reverse=True)]

    async def start(self) -> None:
        """Before any door is open: whatever this server was about to do, it is not doing now."""
        for one in await self._records.open_proposals():
            if one.phase is Phase.APPROVED and one.carrier == self._carrier:
                await self._look_after(one)

    async def settle(self) -> None:
        """Writes down whose time is over, and what became of acts whose server did not come back."""
        at = self._clock.now()
        for one in await self._records.open_proposals():
            if one.phase_at(at) is Phase.EXPIRED:
                ended, _ = feed(one, Ticked(), at)
                await self._written(ended, [_decided("expired", ended)])
            elif one.phase is Phase.APPROVED and at >= (one.decided_at or one.at) + CARRIED_OUT_WITHIN:
                await self._look_after(one)

    async def run(self) -> None:
        while True:
            await self._clock.sleep(LOOKED_AFTER_EVERY)
            try:
                await self.settle()
            except Fault as fault:
                self._log.warning("proposals not looked after", code=fault.code, what=fault.finding.what)

    async def _to_its_end(self, acting: Coroutine[None, None, Proposal]) -> Proposal:
        """Also when whoever asked for it is gone, or has waited too long: half an act is worse than a late one."""
        task = asyncio.ensure_future(acting)
        self._acting.add(task)
        task.add_done_callback(self._acting.discard)
        return await asyncio.shield(task)

    async def _carry_out(self, one: Proposal, act: Act) -> Proposal:
        try:
            told = await self._doing[act.kind].carry_out(act, one.acts_as)
        except (Refused, Unavailable) as fault:
            # It may have been done before what came after it failed.
            found = await self._doing[act.kind].was_carried_out(act, one.acts_as)
            return await self._outcome(one, Failed(_told(fault)) if found is None else CarriedOut(found))
        return await self._outcome(one, CarriedOut(told))

    async def _look_after(self, one: Proposal) -> None:
        try:
            found = await self._doing[one.act.kind].was_carried_out(one.act, one.acts_as)
        except Fault as fault:
            self._log.warning("not known what came of it", number=one.number, code=fault.code, what=fault.finding.what)
            return
        self._log.warning("approved before a stop", number=one.number, act=one.act.kind.value, done=found is not None)
        await self._outcome(one, Failed(INTERRUPTED) if found is None else CarriedOut(found))

    async def _outcome(self, one: Proposal, event: CarriedOut | Failed) -> Proposal:
        at = self._clock.now()
        ended, _ = feed(one, event, at)
        body = events.outcome(_which(ended), ended.told, at, done=isinstance(event, CarriedOut))
        return await self._written(ended, [body]) or await self.one(one.number)

    async def _end(self, number: int, event: Event, step: str) -> Proposal:
        ended, _ = feed(await self._waiting(number), event, self._clock.now())
        return await self._move(ended, [_decided(step, ended)])

    async def _waiting(self, number: int) -> Proposal:
        one = await self.one(number)
        if one.phase is not Phase.PROPOSED:
            raise _over(one)
        return one

    async def _still_judged_so(self, one: Proposal) -> None:
        """What must be the same is read again, by the same eyes."""
        now = (await self.judge(one.act)).state
        changed = sorted(name for name in {*now, *one.judged.state} if now.get(name) != one.judged.state.get(name))
        if changed:
            raise _moved_on(one, changed)

    async def _move(self, fed: Proposal, bodies: Sequence[bytes]) -> Proposal:
        moved = await self._written(fed, bodies)
        if moved is None:
            raise _over(await self.one(fed.number))
        return moved

    async def _written(self, fed: Proposal, bodies: Sequence[bytes]) -> Proposal | None:
        one = replace(fed, version=fed.version + 1)
        return one if await self._records.move_proposal(one, bodies, self._clock.now()) else None

    def _now(self, one: Proposal) -> Proposal:
        return feed(one, Ticked(), self._clock.now())[0]


def _which(one: Proposal) -> Which:
    return Which(one.number, one.act.kind.value, one.digest)


def _made(one: Proposal) -> bytes:
    return events.proposed(_which(one), one.act.terms, one.by.name, one.why, one.at)


def _glass(one: Proposal) -> bytes:
    return events.glass_broken(_which(one), one.act.terms, one.by.name, one.why, one.at)


def _decided(step: str, one: Proposal) -> bytes:
    by = one.decided_by.name if one.decided_by else OWN
    return events.decided(step, _which(one), by, one.word, one.decided_at or one.ended_at or one.at)


def _told(fault: Fault) -> str:
    return f"{fault.code}: {fault.finding.what}; {fault.finding.why}"


def _altered(one: Proposal) -> Refused:
    return Refused(
        code="proposal-altered",
        what=f"proposal {one.number} is not what you read",
        why="what is approved has one digest, and it is another one",
        fix="read it again; if it says so again, the database was changed from outside: see the audit log",
    )


def _moved_on(one: Proposal, changed: Sequence[str]) -> Refused:
    return Refused(
        code="proposal-moved-on",
        what=f"proposal {one.number} was judged against something else than what is there now: {', '.join(changed)}",
        why="what is carried out is what was looked at, and that would be another act",
        fix="refuse it, and have it proposed again",
    )


def _over(one: Proposal) -> Refused:
    who = f" by {one.decided_by}" if one.decided_by else ""
    return Refused(
        code="proposal-over",
        what=f"proposal {one.number} is {one.phase.value}{who} already",
        why="it is decided once",
        fix=f"trustplane proposals show {one.number} says what came of it; propose it again if it is still meant",
    )
