"""Candidates tried on live traffic, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.flows.approvals.dry_runs import promotion
from trustplane.spiffe.ids import SpiffeId
from trustplane.verdict.coverage import Cover, Covered
from trustplane.verdict.dry_run_report import Difference
from trustplane.verdict.promotion import Conditions, Standing
from trustplane.wire import http_dry_run_shapes as shapes
from trustplane.wire.http_answers import revision_shape
from trustplane.wire.http_door import DryRunPort, RepositoryPort
from trustplane.wire.http_plan import plan_shape
from trustplane.wire.http_proposals import Approvals
from trustplane.wire.http_routes import Call, Raw
from trustplane.wire.http_shapes import AppliedShape

MOST_DIFFERENCES = 500
_STATES = {Cover.JUDGES: "judges", Cover.BEHIND: "behind", Cover.REFUSED: "refused", Cover.SILENT: "silent"}
LONGEST_SECONDS = 400 * 86400.0


class Door(DryRunPort, RepositoryPort, Protocol):
    """Dry runs, and which service of ours has which ID."""


class DryRunAnswers:
    def __init__(self, door: Door, clock: Clock) -> None:
        self._door = door
        self._clock = clock
        self._approvals = Approvals(door.proposals())

    async def status(self, _: Call) -> shapes.DryRunShape:
        return await self._shape(await self._door.dry_run())

    async def start(self, call: Call) -> shapes.DryRunShape:
        request = await call.body(shapes.DryRunRequest)
        files = {path: text.encode() for path, text in request.files.items()}
        return await self._shape(
            await self._door.start_dry_run(files, call.operator(), _length(request.lasting_seconds))
        )

    async def stop(self, call: Call) -> shapes.DryRunShape:
        return await self._shape(await self._door.stop_dry_run(call.operator()))

    async def promote(self, call: Call) -> msgspec.Struct | Raw:
        asked = await call.body(shapes.PromotionRequest)
        conditions = Conditions(_length(asked.after_seconds), asked.least, asked.expected, asked.digest)
        if asked.only_check:
            standing = await self._door.check_promotion(conditions)
            return shapes.PromotionShape(id=standing.run.id, applied=None)

        async def do() -> shapes.PromotionShape:
            run, revision, plan = await self._door.promote_dry_run(call.operator(), conditions)
            applied = AppliedShape(revision=revision_shape(revision), plan=plan_shape(plan, run.against))
            return shapes.PromotionShape(id=run.id, applied=applied)

        act = promotion((await self._door.dry_run()).run, conditions)
        return await self._approvals.instead(call, act, f"dry run {act['id']} has shown enough", do)

    async def _shape(self, standing: Standing) -> shapes.DryRunShape:
        current = await self._door.current()
        names = current[1].names_by_id() if current else {}
        run, ended, report = standing.run, standing.ended, standing.report
        found = len(report.newly_denied) + len(report.newly_allowed)
        denied, allowed = report.newly_denied[:MOST_DIFFERENCES], report.newly_allowed[:MOST_DIFFERENCES]
        return shapes.DryRunShape(
            now=self._clock.now(),
            id=run.id,
            digest=run.digest,
            by=run.started_by,
            started_at=run.started_at,
            ends_at=run.ends_at,
            against=run.against,
            ended=shapes.DryRunEndShape(how=ended.how.value, at=ended.at, by=ended.by) if ended else None,
            sidecars=tuple(map(_covered, standing.coverage.sidecars)),
            without_sidecar=tuple(map(str, standing.coverage.without_sidecar)),
            judged=report.judged,
            newly_denied=_differences(denied, names),
            newly_allowed=_differences(allowed, names),
            exercised=tuple(
                shapes.ExerciseShape(service=str(one.service), operation=one.operation, count=one.count)
                for one in report.exercised
            ),
            more=found - len(denied) - len(allowed),
            lost=report.lost,
            whole=report.is_whole,
        )


def _covered(one: Covered) -> shapes.CoveredShape:
    return shapes.CoveredShape(
        service=str(one.service),
        node=one.node.name,
        state=_STATES[one.cover],
        since=one.since,
        refusal=one.refusal,
        away=one.is_away,
    )


def _differences(found: Sequence[Difference], names: Mapping[SpiffeId, str]) -> tuple[shapes.DifferenceShape, ...]:
    return tuple(
        shapes.DifferenceShape(
            service=str(one.service),
            operation=one.operation,
            caller=str(one.caller) if one.caller else None,
            caller_service=names.get(one.caller) if one.caller else None,
            request=one.request,
            before=one.before,
            after=one.after,
            count=one.tally.count,
            first=one.tally.first,
            last=one.tally.last,
            sample=one.tally.sample.request_id if one.tally.sample else None,
        )
        for one in found
    )


def _length(seconds: float) -> timedelta:
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise Refused(
            code="bad-length",
            what=f"{seconds!r:.40} seconds is no length of time that is taken here",
            why=f"it is between 0 and {LONGEST_SECONDS:.0f}",
            fix="write for example 86400, which is a day",
        )
    return timedelta(seconds=seconds)
