"""What `trustplane simulate --rotate` tells of a change of root in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import ceil
from time import monotonic
from typing import Any

import typer

from trustplane.cli.output import Exit, fields, note, say, say_json, span, table
from trustplane.flows.simulation.root_change import simulate_root_change
from trustplane.flows.simulation.root_scenario import RootFigures, RootScenario
from trustplane.flows.simulation.scenario import Scenario
from trustplane.main.simulated_roots import two_roots
from trustplane.rotation.root_change import ParticipantKind, Phase
from trustplane.rotation.root_gates import Lack

WIDTH = 60  # columns of the picture
NAMED = 5  # participants listed that it still waits for
_STEPS = " ▁▂▃▄▅▆▇█"
_MINUTE = timedelta(minutes=1)


def tell(scenario: RootScenario, *, as_json: bool) -> None:
    """Ends with 1 when it is not done in its time, or when a promise was broken."""
    began = monotonic()

    def hear(phase: Phase, at: timedelta) -> None:
        note(f"{phase.value} after {span(at)}, in {monotonic() - began:.0f} s")

    figures = simulate_root_change(scenario, two_roots(), hear)
    seconds = monotonic() - began
    if as_json:
        say_json(_answer(figures, seconds))
    else:
        say("\n\n".join(_parts(figures, seconds)))
    if figures.violations or not figures.is_done:
        raise typer.Exit(Exit.FAILED)


def _parts(figures: RootFigures, seconds: float) -> list[str]:
    parts = [fields(_about(figures, seconds)), _phases(figures), _picture(figures)]
    if figures.waiting:
        rows = [(str(one.participant or "-"), one.lack.value, one.unblock) for one in figures.waiting[:NAMED]]
        parts.append(table(("STILL WAITING FOR", "BECAUSE IT", "WHAT WOULD UNBLOCK IT"), rows))
        more = len(figures.waiting) - NAMED
        parts += [f"and {more:,} more"] if more > 0 else []
    return parts


def _about(figures: RootFigures, seconds: float) -> list[tuple[str, str]]:
    of = figures.scenario.fleet
    kinds = (ParticipantKind.AGENT, ParticipantKind.SIDECAR, ParticipantKind.WORKLOAD)
    counts = ", ".join(f"{figures.scenario.count(kind):,} {kind.value}s" for kind in kinds)
    peak, capacity = max(figures.minutes()), of.signing_rate * 60
    took = span(figures.ended - figures.began)
    return [
        ("participants", f"{of.workloads:,} on {of.nodes:,} nodes: {counts}"),
        ("away", _away(figures.scenario)),
        ("gates", "" if figures.scenario.has_gates else "off: the machine waits for nobody"),
        ("change of root", f"done after {took}" if figures.is_done else f"not done after {took}"),
        ("refused", _refused(figures)),
        ("old root", _retired(figures)),
        (
            "renewals",
            f"at most {peak:,} in a minute, {peak / capacity:.0%} of what the server can sign; {_wave(figures)}",
        ),
        ("expired", f"{figures.load.expired:,} leaves" + (", of who was away" if figures.load.expired else "")),
        ("simulated in", f"{seconds:.1f} s; the servers looked {figures.looks:,} times"),
    ]


def _wave(figures: RootFigures) -> str:
    return f"those after the switch are spread over {span(figures.window)}"


def _away(scenario: RootScenario) -> str:
    of = scenario.fleet
    told = [
        f"{_percent(one.share)} of the agents asleep from {span(one.at)} for {span(one.length)}"
        for one in scenario.asleep
    ]
    told += [
        f"{_percent(one.share)} of the nodes cut off from {span(one.at)} for {span(one.length)}"
        for one in of.partitions
    ]
    told += [f"no server from {span(one.at)} for {span(one.length)}" for one in of.outages]
    told += [f"{_percent(of.loss)} of all messages lost"] if of.loss else []
    return "; ".join(told) or "nobody"


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"


def _refused(figures: RootFigures) -> str:
    if not figures.refused:
        return "0 leaves were below a root that somebody did not trust"
    count = f"{figures.refused:,} leaves were below a root that up to {figures.refusing:,} participants did not trust"
    return f"{count}: they refuse each other"


def _retired(figures: RootFigures) -> str:
    if figures.margin is None:
        return "has not left"
    if figures.margin >= timedelta(0):
        return f"left {span(figures.margin)} after the last leaf and connection that could depend on it had ended"
    early = f"left {span(figures.margin)} before nothing could depend on it"
    return f"{early}: {figures.orphaned:,} valid leaves, and what was connected with them"


def _phases(figures: RootFigures) -> str:
    rows = []
    for one in figures.phases:
        proofs = figures.proofs.get(one.phase)
        if one.phase.is_over:
            continue
        shares = [span(proofs.after(share, one.begins)) for share in (0.5, 0.99, 1.0)] if proofs else ["-"] * 3
        rows.append((one.phase.value, span(one.ends - one.begins), *shares, proofs.last if proofs else "-"))
    return table(("PHASE", "TOOK", "HALF AFTER", "99% AFTER", "LAST AFTER", "WHO WAS LAST"), rows)


def _picture(figures: RootFigures) -> str:
    """A bar for each phase, and the renewals below, over one axis of time."""
    whole = max(figures.ended - figures.began, _MINUTE)
    lines = []
    for one in figures.phases:
        if not one.phase.is_over:
            first = min(WIDTH - 1, int(WIDTH * ((one.begins - figures.began) / whole)))
            last = max(first + 1, round(WIDTH * ((one.ends - figures.began) / whole)))
            lines.append(f"{one.phase.value:<13} {' ' * first}{'█' * (last - first)}")
    minutes = figures.minutes()
    columns = [_of_column(minutes, column) for column in range(WIDTH)]
    top = max(1.0, *columns)
    bars = "".join(_STEPS[ceil((len(_STEPS) - 1) * one / top)] for one in columns)
    axis = f"0{span(whole):>{WIDTH - 1}}"
    return "\n".join([*lines, f"{'renewals':<13} {bars}  up to {round(top):,} a minute", f"{'':<13} {axis}"])


def _of_column(minutes: Sequence[int], column: int) -> float:
    """The busiest minute that the column covers."""
    first, last = column * len(minutes) // WIDTH, (column + 1) * len(minutes) // WIDTH
    return float(max(minutes[first : max(last, first + 1)]))


def _answer(figures: RootFigures, seconds: float) -> dict[str, Any]:
    of: Scenario = figures.scenario.fleet
    return {
        "participants": of.workloads,
        "nodes": of.nodes,
        "seed": of.seed,
        "gates": figures.scenario.has_gates,
        "done": figures.is_done,
        "took": (figures.ended - figures.began).total_seconds(),
        "violations": figures.violations,
        "refused_leaves": figures.refused,
        "most_refusing": figures.refusing,
        "orphaned_leaves": figures.orphaned,
        "margin": None if figures.margin is None else figures.margin.total_seconds(),
        "phases": [_phase(figures, number) for number, one in enumerate(figures.phases) if not one.phase.is_over],
        "peak_renewals_a_minute": max(figures.minutes()),
        "capacity_a_minute": round(of.signing_rate * 60),
        "expired": figures.load.expired,
        "waiting": [{"participant": str(one.participant or ""), "code": _code(one.lack)} for one in figures.waiting],
        "looks": figures.looks,
        "seconds": round(seconds, 2),
    }


def _phase(figures: RootFigures, number: int) -> dict[str, Any]:
    one = figures.phases[number]
    proofs = figures.proofs.get(one.phase)
    names = (("half", 0.5), ("99_percent", 0.99), ("last", 1.0))
    return {
        "phase": one.phase.value,
        "took": (one.ends - one.begins).total_seconds(),
        "proofs": len(proofs.heard) if proofs else 0,
        "after": {name: proofs.after(share, one.begins).total_seconds() for name, share in names} if proofs else {},
        "last": proofs.last if proofs else "",
    }


def _code(lack: Lack) -> str:
    return lack.name.lower().replace("_", "-")
