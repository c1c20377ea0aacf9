"""Whether a dry run has shown enough for its candidate to be enforced: every reason against it, at once.

It must have run for a while, on every sidecar it concerns, refused nobody unexpectedly, and seen every operation used.
What is meant to be refused, and what is meant to be idle, is declared word by word; nothing is declared in bulk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from trustplane.fault import Finding, Refused
from trustplane.registry.durations import as_written
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.coverage import Cover, Coverage, Covered
from trustplane.verdict.dry_run import DryRun, Ended
from trustplane.verdict.dry_run_report import Difference, Report

MOST_EXPECTED = 1000
OUTSIDE = "-"  # in place of an operation: none that is declared
_STATUS = "trustplane policy shadow status"


@dataclass(frozen=True, slots=True)
class ExpectedDenial:
    caller: SpiffeId
    operation: str | None
    service: ServiceName


@dataclass(frozen=True, slots=True)
class ExpectedIdle:
    operation: str
    service: ServiceName


@dataclass(frozen=True, slots=True)
class ExpectedUncounted:
    most: int  # requests


Expected = ExpectedDenial | ExpectedIdle | ExpectedUncounted


@dataclass(frozen=True, slots=True)
class Gate:
    lasting: timedelta = timedelta(hours=24)
    least: int = 1  # requests for each operation
    expected: frozenset[Expected] = frozenset()

    def __post_init__(self) -> None:
        if self.lasting < timedelta(0) or self.least < 0 or len(self.expected) > MOST_EXPECTED:
            raise Refused(
                code="bad-gate",
                what="the conditions of a promotion cannot be met or counted",
                why=f"a length and a number are not negative, and at most {MOST_EXPECTED} expectations are declared",
                fix="trustplane policy shadow promote --help shows what they are",
            )


@dataclass(frozen=True, slots=True)
class Conditions:
    """Of a promotion, in words: which services they are about, whoever knows what is in force can say."""

    lasting: timedelta
    least: int
    expected: tuple[str, ...]
    digest: str  # of the files meant; empty: whatever was tried


@dataclass(frozen=True, slots=True)
class Standing:
    """All that a dry run has shown up to now."""

    run: DryRun
    ended: Ended | None
    coverage: Coverage
    report: Report


def lacks(standing: Standing, gate: Gate, now: datetime) -> tuple[Finding, ...]:
    return (
        *_time(standing, gate, now),
        *(_not_covered(one) for one in standing.coverage.sidecars if one.cover is not Cover.JUDGES or one.is_away),
        *map(_no_sidecar, standing.coverage.without_sidecar),
        *(_unexpected(one) for one in standing.report.newly_denied if not _is_expected(one, gate)),
        *_idle(standing.report, gate),
        *_cut(standing.report),
        *_uncounted(standing.report, gate),
    )


def _time(standing: Standing, gate: Gate, now: datetime) -> Iterator[Finding]:
    run = standing.run
    if standing.ended is not None:
        yield Finding(
            code="dry-run-over",
            what=f"the dry run {run.id} is over: {standing.ended.how.value}",
            why="what it has shown was compared with rules that may no longer be those in force",
            fix="trustplane policy shadow start DIR",
        )
    elif now - run.started_at < gate.lasting:
        ready = run.started_at + gate.lasting
        yield Finding(
            code="dry-run-too-short",
            what=f"the dry run {run.id} has run since {run.started_at:%Y-%m-%d %H:%M:%SZ}, which is less than "
            f"{as_written(gate.lasting)}",
            why="who calls once a day has not called yet",
            fix=f"promote after {ready:%Y-%m-%d %H:%M:%SZ}, or say with --after how long is enough",
        )


def _not_covered(one: Covered) -> Finding:
    state = "its agent is connected to no server" if one.cover is Cover.JUDGES else one.cover.value
    return Finding(
        code="dry-run-not-covered",
        what=f"the sidecar of {one.service} on {one.node} does not say what the candidate would do: {state}",
        why=one.refusal or "nobody can tell whom it would refuse there",
        fix="bring its agent up to date and connect it, or look in its log for why the sidecar refused",
    )


def _no_sidecar(service: ServiceName) -> Finding:
    return Finding(
        code="dry-run-not-covered",
        what=f"no sidecar of {service} is attached",
        why="the candidate decides otherwise about its requests, and nobody can see whom it would refuse",
        fix=f"start the sidecar of {service}",
    )


def _unexpected(one: Difference) -> Finding:
    caller, operation = one.caller or "a caller without one SPIFFE ID", one.operation or "none that is declared"
    then = f"{one.after} would forbid it" if one.after else "no rule would allow it any more"
    declared = f'"deny {one.caller} {one.operation or OUTSIDE} {one.service}"' if one.caller else ""
    expect = f", or if it is meant: --expect {declared}" if declared else ""
    return Finding(
        code="dry-run-unexpected-denial",
        what=f"{caller} would be refused {one.service} {operation} ({one.request}): {one.tally.count} requests, the "
        f"last at {one.tally.last:%Y-%m-%d %H:%M:%SZ}",
        why=f"{one.before} allows it now, and {then}",
        fix=f"mend the policy and start the dry run again{expect}",
    )


def _is_expected(one: Difference, gate: Gate) -> bool:
    return one.caller is not None and ExpectedDenial(one.caller, one.operation, one.service) in gate.expected


def _idle(report: Report, gate: Gate) -> Iterator[Finding]:
    for one in report.exercised:
        if one.count < gate.least and ExpectedIdle(one.operation, one.service) not in gate.expected:
            yield Finding(
                code="dry-run-not-exercised",
                what=f"{one.service} {one.operation} was asked for {one.count} times, not {gate.least}",
                why="of an operation that nobody used nothing was shown",
                fix=f'use it, or if it is meant to be idle: --expect "idle {one.operation} {one.service}"',
            )


def _cut(report: Report) -> Iterator[Finding]:
    if not report.is_whole:
        yield Finding(
            code="dry-run-cut",
            what="so many kinds of request were judged that the rarest were left out",
            why="one of those could be a caller that would be refused",
            fix="try the candidate in smaller steps, each about fewer services",
        )


def _uncounted(report: Report, gate: Gate) -> Iterator[Finding]:
    most = max((one.most for one in gate.expected if isinstance(one, ExpectedUncounted)), default=0)
    if report.lost > most:
        yield Finding(
            code="dry-run-uncounted",
            what=f"{report.lost} requests could not be counted by their nodes since it began",
            why="one of those could be of a caller that would be refused",
            fix="trustplane policy traffic --json names the nodes; free their disks and start the dry run again, or if "
            f'it is known what they were: --expect "uncounted {report.lost}"',
        )
