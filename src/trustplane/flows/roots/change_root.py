"""Driving a change of root: look, ask `rotation.change_root` what follows, write down the intent, act, the outcome.

What is stored is all there is: whichever replica holds the lease goes on from it, also after every one was killed. An
act is done under the version of the record it follows from, so that an operator's word in between makes it void.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar
from uuid import uuid4

import structlog

from trustplane.audit import events
from trustplane.clock import Clock
from trustplane.fault import Fault, Refused
from trustplane.flows.roots.survey_trust import Surveyed
from trustplane.rotation.change_root import (
    Effect,
    Event,
    Excused,
    GoneBack,
    Looked,
    MakeRoot,
    Noticed,
    Paused,
    PrepareIssuers,
    Publish,
    Remake,
    Resumed,
    Retire,
    Switch,
    feed,
)
from trustplane.rotation.root_change import (
    Order,
    Participant,
    ParticipantKind,
    RootChange,
    Seen,
    Waiver,
    begun,
    under_way,
)
from trustplane.rotation.root_gates import Waiting, waits
from trustplane.rotation.root_story import Chapter, story
from trustplane.trust.authority import Authority, AuthorityId
from trustplane.trust.lifecycle import root_in_use

LEASE = "change-root"
LEASE_LIFE = timedelta(seconds=15)
STEP = timedelta(milliseconds=500)
REST = 5  # a look that takes long is followed by this many times as long without one
IDLE = timedelta(seconds=30)
LONGEST_BACKOFF = timedelta(seconds=10)
SAID_AGAIN = 3
OWN = "trustplane"  # who acts when no operator does


Done = TypeVar("Done")


class Records(Protocol):
    async def authorities(self) -> Sequence[Authority]: ...

    async def root_changes(self, limit: int) -> Sequence[RootChange]: ...

    async def save_root_change(self, change: RootChange) -> RootChange: ...

    async def switch_root(self, change: RootChange, at: datetime) -> bool: ...

    async def retire_root(self, change: RootChange, at: datetime) -> bool: ...

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...

    async def take_lease(self, name: str, holder: str, until: datetime, at: datetime) -> bool: ...


class Authorities(Protocol):
    async def stage_root(self) -> None: ...

    async def prepare_below(self, root: AuthorityId) -> None: ...

    async def publish_root(self, root: AuthorityId) -> bool: ...


class Survey(Protocol):
    async def look(self, change: RootChange | None) -> Surveyed: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """The newest change, if there ever was one, everything proven now, and whom it waits for."""

    change: RootChange | None
    surveyed: Surveyed
    waits: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True)
class Told:
    change: RootChange
    chapters: tuple[Chapter, ...]
    seen: tuple[Seen, ...] = ()


class ChangeRoot:
    def __init__(
        self,
        records: Records,
        authorities: Authorities,
        survey: Survey,
        remake: Callable[[str], Awaitable[None]],
        clock: Clock,
    ) -> None:
        """`remake` tells every node an order to make connections anew."""
        self._records = records
        self._authorities = authorities
        self._survey = survey
        self._remake = remake
        self._clock = clock
        self._holder = uuid4().hex  # of the lease; which replica it is does not matter
        self._woken = asyncio.Event()
        self._log = structlog.get_logger("root-change")
        self._driven: Progress | None = None

    @property
    def driven(self) -> Progress | None:
        """As it was last seen, if a change is under way and this server drives it."""
        return self._driven

    def wake(self) -> None:
        """A change was begun, or an operator had a word."""
        self._woken.set()

    async def start(self, order: Order) -> RootChange:
        newest = await self._newest()
        if newest is not None and not newest.phase.is_over:
            raise under_way(newest.number)
        root = await self._root()
        change = begun(newest.number + 1 if newest else 1, root, order, self._clock.now())
        about = {"leaving": root.hex, "reason": order.reason, "emergency": str(order.is_emergency).lower()}
        return await self._noted(change, "begin", about, order.by, lambda: self._records.save_root_change(change))

    async def pause(self, by: str) -> RootChange:
        return await self._say(Paused(), "pause", {}, by)

    async def resume(self, by: str) -> RootChange:
        return await self._say(Resumed(), "resume", {}, by)

    async def go_back(self, by: str) -> RootChange:
        return await self._say(GoneBack(), "go-back", {}, by)

    async def waive(self, waiver: Waiver) -> RootChange:
        await self._check_cluster(waiver.participant)
        about = {
            "participant": waiver.participant.name,
            "reason": waiver.reason,
            "owner": waiver.owner,
            "until": waiver.until.isoformat(),
        }
        return await self._say(Excused(waiver), "waive", about, waiver.by)

    async def _check_cluster(self, waived: Participant) -> None:
        """A participant may come later; a cluster that is not there was mistyped."""
        if waived.kind is not ParticipantKind.CLUSTER:
            return
        known = {f"cluster {one.cluster}" for one in (await self._survey.look(None)).survey.seen if one.cluster}
        if waived.name not in known:
            raise Refused(
                code="unknown-cluster",
                what=f"there is no {waived.name}",
                why="a waiver of nobody would look as if it had an effect",
                fix=f"use one of {', '.join(sorted(known))}" if known else "declare clusters in trustdomain.yaml",
            )

    async def history(self, limit: int) -> Sequence[RootChange]:
        """The newest first."""
        return await self._records.root_changes(limit)

    async def progress(self) -> Progress:
        change = await self._newest()
        going = change if change and not change.phase.is_over else None
        surveyed = await self._survey.look(going)
        return Progress(change, surveyed, waits(going, surveyed.survey, self._clock.now()) if going else ())

    async def told(self, order: Order) -> Told:
        """What would happen from now on: of the change under way, or of one that this order would begin."""
        newest = await self._newest()
        at = self._clock.now()
        if newest is not None and not newest.phase.is_over:
            change = newest
        else:
            change = begun(newest.number + 1 if newest else 1, await self._root(), order, at)
        surveyed = await self._survey.look(change)
        return Told(change, story(change, surveyed.survey, at), surveyed.survey.seen)

    async def run(self) -> None:
        wait, backoff = IDLE, STEP
        while True:
            await self._sleep(wait)
            began = self._clock.now()
            try:
                is_going = await self.go_on()
            except Fault as fault:
                self._driven = None
                self._log.warning("change of root not looked after", code=fault.code, what=fault.finding.what)
                wait = backoff = min(backoff * 2, LONGEST_BACKOFF)
            else:
                backoff = STEP
                wait = max(STEP, (self._clock.now() - began) * REST) if is_going else IDLE

    async def go_on(self) -> bool:
        """One look and what follows from it. False when no change is under way."""
        change = await self._newest()
        if change is None or change.phase.is_over:
            self._driven = None
            return False
        at = self._clock.now()
        if await self._records.take_lease(LEASE, self._holder, at + LEASE_LIFE, at):
            await self._look(change)
        else:
            self._driven = None
        return True

    async def _look(self, change: RootChange) -> None:
        surveyed = await self._survey.look(change)
        fed, effects = feed(change, Looked(surveyed.survey), self._clock.now())
        if fed != change:
            fed = await self._records.save_root_change(fed)
        self._driven = Progress(fed, surveyed, waits(fed, surveyed.survey, self._clock.now()))
        for effect in effects:
            await self._act(fed, effect)

    async def _act(self, change: RootChange, effect: Effect) -> None:
        match effect:
            case MakeRoot():
                await self._noted(change, "make-root", {}, OWN, self._authorities.stage_root)
            case PrepareIssuers(root):
                about = {"root": root.hex}
                await self._noted(change, "prepare", about, OWN, lambda: self._authorities.prepare_below(root))
            case Publish(root):
                about = {"root": root.hex}
                await self._noted(change, "publish", about, OWN, lambda: self._authorities.publish_root(root))
            case Switch(leaving, coming):
                about = {"leaving": leaving.hex, "coming": coming.hex}
                at = self._clock.now()
                await self._noted(change, "switch", about, OWN, lambda: self._records.switch_root(change, at))
            case Remake(order):
                about = {"order": order}
                await self._noted(change, "remake", about, OWN, lambda: self._remake(order))
            case Retire(root):
                about = {"root": root.hex}
                at = self._clock.now()
                await self._noted(change, "retire", about, OWN, lambda: self._records.retire_root(change, at))
            case Noticed(phase):
                at = self._clock.now()
                body = events.root_change("phase", change.number, phase.value, {}, OWN, at)
                await self._records.append_audit([body], at)
                self._log.info("change of root", number=change.number, phase=phase.value)

    async def _say(self, event: Event, action: str, about: dict[str, str], by: str) -> RootChange:
        """A change goes on by itself meanwhile; what was said of it holds for the phase that it came to, or is refused
        there."""
        for _ in range(SAID_AGAIN):
            try:
                return await self._say_once(event, action, about, by)
            except Refused as refusal:
                if refusal.code != "rotation-moved":
                    raise
        return await self._say_once(event, action, about, by)

    async def _say_once(self, event: Event, action: str, about: dict[str, str], by: str) -> RootChange:
        change = await self._newest()
        if change is None:
            raise Refused(
                code="no-rotation",
                what="no root was ever changed here",
                why="there is nothing to pause, resume, take back or waive",
                fix="trustplane rotate start begins a change",
            )
        fed, effects = feed(change, event, self._clock.now())
        saved = await self._noted(change, action, about, by, lambda: self._records.save_root_change(fed))
        for effect in effects:
            await self._act(saved, effect)
        self.wake()
        return saved

    async def _noted(
        self, change: RootChange, action: str, about: dict[str, str], by: str, act: Callable[[], Awaitable[Done]]
    ) -> Done:
        """The intent, the act, the outcome."""
        at = self._clock.now()
        await self._records.append_audit([events.root_change("intent", change.number, action, about, by, at)], at)
        done = await act()
        outcome = {**about, "done": "no" if done is False else "yes"}
        at = self._clock.now()
        await self._records.append_audit([events.root_change("outcome", change.number, action, outcome, by, at)], at)
        self._log.info("change of root", number=change.number, action=action, done=outcome["done"])
        return done

    async def _root(self) -> AuthorityId:
        root = root_in_use(await self._records.authorities())
        if root is None:
            raise Refused(
                code="no-root-to-change",
                what="there is no root that signs",
                why="it has expired, or this server has only just started",
                fix="trustplane status shows the authorities",
            )
        return root.id

    async def _newest(self) -> RootChange | None:
        return next(iter(await self._records.root_changes(1)), None)

    async def _sleep(self, wait: timedelta) -> None:
        """Until then, or until woken."""
        woken = asyncio.ensure_future(self._woken.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(wait))
        try:
            await asyncio.wait((woken, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            sleeping.cancel()
        self._woken.clear()
