"""A candidate repository, tried on live traffic: started, watched, ended, or made what is enforced.

Every server of one database publishes what the newest dry run in it says, so it survives a restart of each of them. It
is admitted as an apply is, and what every sidecar would judge by is read back and proved before it is told to any.
What nobody ends ends by itself, at its time or with the revision that it was tried against.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.audit import events
from trustplane.change.plan import Plan
from trustplane.clock import Clock
from trustplane.fault import Fault, Refused
from trustplane.flows.desired.admit_policies import admitted
from trustplane.flows.feed import Feed
from trustplane.policy import document
from trustplane.policy.access import Access
from trustplane.registry import layout
from trustplane.registry.candidate import NO_CANDIDATE, Candidate, Tried
from trustplane.registry.model import DesiredState
from trustplane.registry.needs import Needs
from trustplane.registry.records import Revision
from trustplane.verdict.coverage import Fleet, coverage
from trustplane.verdict.dry_run import DryRun, End, Ended, Wanted
from trustplane.verdict.dry_run_report import Judgements, report
from trustplane.verdict.promotion import Gate, Standing, lacks
from trustplane.xds import revoked, shadow
from trustplane.xds.rbac_proof import proved_trial

LONGEST_SLEEP = timedelta(minutes=1)
PAUSE = timedelta(seconds=1)
NOBODY = document.encode(Access((), ()))


class DryRuns(Protocol):
    async def begin_dry_run(self, wanted: Wanted) -> DryRun: ...

    async def end_dry_run(self, number: int, ended: Ended) -> bool: ...

    async def newest_dry_run(self) -> DryRun | None: ...


class Desired(Protocol):
    @property
    def current(self) -> tuple[Revision, DesiredState] | None: ...

    async def admit(self, files: Mapping[str, bytes]) -> DesiredState: ...

    async def try_candidate(self, candidate: Candidate) -> None: ...

    async def apply(self, files: Mapping[str, bytes], by: str, against: int | None = None) -> tuple[Revision, Plan]: ...


class Seen(Protocol):
    """What is known of the fleet, and of what its sidecars judged."""

    async def fleet(self) -> Fleet: ...

    async def judged_by(self, run: DryRun) -> Judgements: ...


class Journal(Protocol):
    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


class TryCandidates:
    def __init__(self, runs: DryRuns, desired: Desired, seen: Seen, journal: Journal, clock: Clock) -> None:
        self._runs = runs
        self._desired = desired
        self._seen = seen
        self._journal = journal
        self._clock = clock
        self._read: tuple[int, int, Candidate] | None = None  # of a dry run and the revision in force
        self._ends: Feed[datetime | None] = Feed(None)
        self._log = structlog.get_logger("dry-run")

    async def start(self, files: Mapping[str, bytes], by: str, lasting: timedelta) -> Standing:
        revision, state = self._in_force()
        tried = await asyncio.to_thread(_differing, state, await self._desired.admit(files))
        at, digest = self._clock.now(), layout.digest(files)
        about = {"digest": digest, "until": (at + lasting).isoformat(), "against": str(revision.number)}
        texts = {path: content.decode() for path, content in files.items() if not layout.is_ignored(path)}
        wanted = Wanted(texts, digest, by, at, at + lasting, revision.number)
        if not tried:
            raise _nothing_to_try(revision)
        await self._journal.append_audit([events.dry_run("intent", "start", about, by, at)], at)
        run = await self._runs.begin_dry_run(wanted)
        told = {**about, "id": run.id, "services": ", ".join(str(one.service) for one in tried)}
        await self._journal.append_audit([events.dry_run("outcome", "start", told, by, at)], self._clock.now())
        await self.settle()
        return await self.standing()

    async def stop(self, by: str) -> Standing:
        run = await self._running()
        at = self._clock.now()
        await self._journal.append_audit([events.dry_run("intent", "stop", {"id": run.id}, by, at)], at)
        await self._end(run, Ended(End.STOPPED, at, by))
        await self.settle()
        return await self.standing()

    async def promote(self, by: str, gate: Gate, digest: str = "") -> tuple[DryRun, Revision, Plan]:
        """By the same door as every change. `digest`: refused unless these are the files that were tried."""
        run = await self._running()
        await self.check(gate, digest)
        at = self._clock.now()
        about = {"id": run.id, "digest": run.digest, "against": str(run.against)}
        await self._journal.append_audit([events.dry_run("intent", "promote", about, by, at)], at)
        files = {path: text.encode() for path, text in run.files.items()}
        revision, plan = await self._desired.apply(files, by, against=run.against)
        await self._end(run, Ended(End.APPLIED, self._clock.now(), by))
        await self.settle()
        return run, revision, plan

    async def check(self, gate: Gate, digest: str = "") -> Standing:
        """Refused with every reason against enforcing the candidate now."""
        standing = await self.standing()
        if digest and digest != standing.run.digest:
            raise _other_files(standing.run)
        if found := lacks(standing, gate, self._clock.now()):
            raise Refused.all_of(found)
        return standing

    async def standing(self) -> Standing:
        """Of the newest dry run, also when it is over."""
        run = await self._runs.newest_dry_run()
        if run is None:
            raise _none()
        revision, state = self._in_force()
        candidate = await self._candidate(run, revision, state)
        things = [f"extension/{name}" for name in shadow.FILTERS]
        covered = coverage(candidate, things, await self._seen.fleet())
        operations = {one.service: state.services[one.service].operations for one in candidate.tried}
        judged = await self._seen.judged_by(run)
        ended = run.end(revision.number, revision.digest, self._clock.now())
        return Standing(run, ended, covered, report(run.id, judged, operations, revoked.NAMES))

    async def settle(self) -> None:
        """Publish what the database says, and write down how a dry run ended that nobody ended."""
        run, current = await self._runs.newest_dry_run(), self._desired.current
        candidate = NO_CANDIDATE
        if run is not None and current is not None:
            ended = run.end(current[0].number, current[0].digest, self._clock.now())
            if ended is None:
                candidate = await self._readable(run, *current)
            elif run.ended is None and current[0].number >= run.against:
                await self._end(run, ended)
        await self._desired.try_candidate(candidate)
        self._ends.publish(candidate.ends_at)

    async def run(self) -> None:
        """Ends it at its time. Every other reason comes with a change of the database."""
        while True:
            waiting: list[asyncio.Task[object]] = [asyncio.create_task(self._ends.moved())]
            ends = self._ends.value
            if ends is not None:
                waiting.append(asyncio.create_task(self._clock.sleep(self._until(ends))))
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in waiting:
                    one.cancel()
            if ends is not None and self._clock.now() >= ends:
                await self._end_in_time()

    async def _end_in_time(self) -> None:
        try:
            await self.settle()
        except Fault as fault:  # sidecars ended it by themselves; that it is written down can wait
            self._log.warning("end of a dry run not written down", code=fault.code, what=fault.finding.what)
            await self._clock.sleep(PAUSE)

    def _until(self, ends: datetime) -> timedelta:
        """At most a while: over a suspend the clock may jump past every instant."""
        return min(max(ends - self._clock.now(), PAUSE), LONGEST_SLEEP)

    async def _readable(self, run: DryRun, revision: Revision, state: DesiredState) -> Candidate:
        """A candidate that this version does not read, another may; nothing that is enforced waits for it."""
        try:
            return await self._candidate(run, revision, state)
        except Refused as refusal:
            self._log.error("candidate not read", id=run.id, code=refusal.code, what=refusal.finding.what)
            return NO_CANDIDATE

    async def _end(self, run: DryRun, ended: Ended) -> None:
        """Whoever is first says so in the audit log: servers of one database see the same end."""
        if await self._runs.end_dry_run(run.number, ended):
            about = {"id": run.id, "how": ended.how.value}
            await self._journal.append_audit([events.dry_run("outcome", "end", about, ended.by, ended.at)], ended.at)

    async def _candidate(self, run: DryRun, revision: Revision, state: DesiredState) -> Candidate:
        """Read once for each revision: a repository of a thousand services takes about a second."""
        known = self._read
        if known is None or known[:2] != (run.number, revision.number):
            files = {path: text.encode() for path, text in run.files.items()}
            tried = await asyncio.to_thread(_differing_files, state, files)
            known = self._read = (run.number, revision.number, Candidate(run.id, run.ends_at, tried))
        return known[2]

    async def _running(self) -> DryRun:
        run = await self._runs.newest_dry_run()
        revision, _ = self._in_force()
        if run is None or run.end(revision.number, revision.digest, self._clock.now()) is not None:
            raise _none()
        return run

    def _in_force(self) -> tuple[Revision, DesiredState]:
        current = self._desired.current
        if current is None:
            raise Refused(
                code="dry-run-against-nothing",
                what="no revision is in force",
                why="a candidate is tried beside the rules that are enforced, and there are none",
                fix="apply a first revision: trustplane apply DIR",
            )
        return current


def _differing_files(state: DesiredState, files: Mapping[str, bytes]) -> tuple[Tried, ...]:
    return _differing(state, admitted(files))


def _differing(state: DesiredState, candidate: DesiredState) -> tuple[Tried, ...]:
    """What the candidate would rule each service by that it rules by something else; nobody where it has it no more.

    The others decide as they do now, byte by byte, so there is nothing to see.
    """
    before, after = Needs(state, 0, {}, ()), Needs(candidate, 0, {}, ())
    found = []
    for name in sorted(state.services):
        enforced = before.tried(name)
        tried = after.tried(name) or Tried(name, NOBODY)
        if enforced is not None and tried != enforced:
            found.append(proved_trial(tried, state.trust_domain))
    return tuple(found)


def _nothing_to_try(revision: Revision) -> Refused:
    return Refused(
        code="dry-run-without-difference",
        what=f"every request would be decided as revision {revision.number} decides it",
        why="a dry run shows whom a change refuses or lets in, and this one changes that for no service with a sidecar",
        fix="apply it: trustplane apply DIR",
    )


def _none() -> Refused:
    return Refused(
        code="dry-run-none",
        what="no dry run is under way",
        why="none was started, or the last one is over",
        fix="trustplane policy shadow start DIR; trustplane policy shadow status shows how the last one ended",
    )


def _other_files(run: DryRun) -> Refused:
    return Refused(
        code="dry-run-other-files",
        what=f"these are not the files that the dry run {run.id} was started with",
        why="what is promoted is what was tried, and of these files nothing was shown",
        fix="start a dry run of them: trustplane policy shadow stop, then start DIR",
    )
