"""A dry run as people read it: what is wrong comes first, and what nobody knows is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trustplane.cli.output import instant, relative, table
from trustplane.wire.http_dry_run_shapes import CoveredShape, DifferenceShape, DryRunShape

_STATES = {
    "judges": "judges by it",
    "behind": "has not taken it up yet",
    "refused": "refused it",
    "silent": "says nothing: its agent may be older than dry runs are",
}


def heading(run: DryRunShape) -> str:
    begun = f"dry run {run.id}: started {relative(run.started_at, run.now)} by {run.by}, against revision {run.against}"
    if run.ended is not None:
        how = f"ended {relative(run.ended.at, run.now)} by {run.ended.by}: {run.ended.how}"
        return f"{begun}; {how}\n{run.judged} requests judged"
    how = f"ends {relative(run.ends_at, run.now)}, at {instant(run.ends_at)}, if nobody ends it"
    judging = sum(one.state == "judges" for one in run.sidecars)
    return f"{begun}; {how}\n{judging} of {len(run.sidecars)} sidecars judge by it; {run.judged} requests judged"


def text(run: DryRunShape) -> str:
    parts = [heading(run), *_coverage(run)]
    parts += _differences("WOULD NEWLY DENY", run.newly_denied)
    parts += _differences("WOULD NEWLY ALLOW", run.newly_allowed)
    if run.more:
        parts.append(f"{run.more} more kinds of request are decided otherwise; these are the most frequent")
    if not run.whole:
        parts.append("so many kinds of request were judged that the rarest are not shown")
    if run.lost:
        parts.append(f"{run.lost} requests could not be counted by their nodes since it began")
    idle = [f"{one.operation} of {one.service}" for one in run.exercised if not one.count]
    if idle:
        parts.append(f"not exercised, so nothing is known: {', '.join(idle)}")
    if not (run.newly_denied or run.newly_allowed):
        parts.append("no request was decided otherwise than now" if run.judged else "no request was judged yet")
    return "\n\n".join(parts)


def _coverage(run: DryRunShape) -> Iterator[str]:
    """Only what is not as it should be."""
    lines = [_sidecar(one) for one in run.sidecars if one.state != "judges" or one.away]
    lines += [f"not covered: {service}: no sidecar of it is attached" for service in run.without_sidecar]
    if lines and run.ended is None:
        yield "\n".join(lines)


def _sidecar(one: CoveredShape) -> str:
    state = "its agent is away, so what it judged may not have arrived" if one.state == "judges" else _STATES[one.state]
    return f"not covered: {one.service} on {one.node} {state}" + (f": {one.refusal}" if one.refusal else "")


def _differences(title: str, found: Sequence[DifferenceShape]) -> Iterator[str]:
    if not found:
        return
    rows = [
        (
            one.caller_service or one.caller or "(no single SPIFFE ID)",
            one.service,
            one.operation or f"(none) {one.request}",
            str(one.count),
            instant(one.first),
            instant(one.last),
            f"{one.before or 'no rule'} -> {one.after or 'no rule'}",
            one.sample or "",
        )
        for one in found
    ]
    yield table((title, "SERVICE", "OPERATION", "COUNT", "FIRST", "LAST", "RULE", "SAMPLE"), rows)
