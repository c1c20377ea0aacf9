"""Enforcing what a dry run has tried, as an act that is proposed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Protocol

from trustplane.change.plan import Plan
from trustplane.people.proposed_act import Act, ActKind, Judged
from trustplane.registry.durations import as_written
from trustplane.registry.records import Revision
from trustplane.verdict.dry_run import DryRun
from trustplane.verdict.dry_run_report import Difference
from trustplane.verdict.promotion import Conditions, Standing

MOST_NAMED = 10
LOOKED_AT = 50


class DryRuns(Protocol):
    async def dry_run(self) -> Standing: ...

    async def check_promotion(self, conditions: Conditions) -> Standing: ...

    async def promote_dry_run(self, by: str, conditions: Conditions) -> tuple[DryRun, Revision, Plan]: ...

    async def revisions(self, limit: int, before: int | None = None) -> Sequence[Revision]: ...


def promotion(run: DryRun, conditions: Conditions) -> Act:
    """Of exactly this dry run."""
    return Act.of(
        ActKind.PROMOTE_DRY_RUN,
        id=run.id,
        digest=run.digest,
        after=str(conditions.lasting.total_seconds()),
        least=str(conditions.least),
        expected="\n".join(conditions.expected),
    )


class PromoteDryRun:
    def __init__(self, runs: DryRuns) -> None:
        self._runs = runs

    async def judge(self, act: Act) -> Judged:
        standing = await self._runs.check_promotion(_conditions(act))
        run = standing.run
        return Judged(
            {"dry run": run.id, "files": run.digest, "revision": str(run.against)}, tuple(_words(standing, act))
        )

    async def carry_out(self, act: Act, by: str) -> str:
        _, revision, _ = await self._runs.promote_dry_run(by, _conditions(act))
        return f"revision {revision.number} holds"

    async def was_carried_out(self, act: Act, by: str) -> str | None:
        del act  # who says it all: it names the proposal
        found = next((one for one in await self._runs.revisions(LOOKED_AT) if one.applied_by == by), None)
        return f"revision {found.number} holds" if found else None


def _conditions(act: Act) -> Conditions:
    expected = tuple(act["expected"].splitlines())
    return Conditions(timedelta(seconds=float(act["after"])), int(act["least"]), expected, act["digest"])


def _words(standing: Standing, act: Act) -> Iterator[str]:
    run, report, asked = standing.run, standing.report, _conditions(act)
    services = sorted({str(one.service) for one in standing.coverage.sidecars})
    more = f" and {len(services) - MOST_NAMED} more" if len(services) > MOST_NAMED else ""
    yield f"The candidate of dry run {run.id} becomes revision {run.against + 1}, and every sidecar enforces it."
    named = ", ".join(services[:MOST_NAMED]) or "nobody"
    judging, sidecars = standing.coverage.judging, len(standing.coverage.sidecars)
    yield f"It decides otherwise than revision {run.against} about: {named}{more}."
    yield (
        f"It was tried on {report.judged:,} requests by {judging} of {sidecars} "
        f"sidecars; asked for were {as_written(asked.lasting)} and {asked.least} of each operation."
    )
    yield from _differing("would newly be refused", report.newly_denied)
    yield from _differing("would newly be let in", report.newly_allowed)
    for line in asked.expected[:MOST_NAMED]:
        yield f"Declared as meant: {line}"
    yield f"To take it back, restore revision {run.against}."


def _differing(what: str, found: Sequence[Difference]) -> Iterator[str]:
    for one in found[:MOST_NAMED]:
        caller, asked = one.caller or "a caller without one SPIFFE ID", one.operation or one.request
        yield f"{caller} {what} at {one.service} {asked}: {one.tally.count:,} requests."
    if len(found) > MOST_NAMED:
        yield f"and {len(found) - MOST_NAMED} more {what}."
    if not found:
        yield f"Of the requests judged, none {what}."
