"""docs/alerts.md, from what promtool said."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.kit.promtool import Fired, Recording
from trustplane.knowledge.alert import Alert

PAGE = Path(__file__).resolve().parents[2] / "docs" / "alerts.md"
PROVED = PAGE.parents[1] / "deploy" / "prometheus" / "proved.json"
INTRODUCTION = """\
# Alerts

<!-- Written by scripts/prove_alerts.py from the answers of promtool; a test fails when it is out of date. -->

`trustplane alerts write DIR --runbooks URL` writes the rules, the dashboards and the runbooks. Only the server's
metrics are needed ([metrics.md](metrics.md)). A *page* wakes somebody, a *ticket* waits for the day, *info* is context.
Whatever fires names what, why, what to type first and a runbook; `trustplane runbook show ALERT` prints that.

The time to repair is `mttr` of `trustdomain.yaml`, or half an hour where there is none. A page about a cohort needs
three late leaves on two nodes, or half of the cohort: one machine that is switched off is a ticket.

Each rule is evaluated by promtool over recordings of fleets, in which the flows and collectors of production run in
virtual time (`tests/kit/recorded_fleet.py`; made anew by `scripts/record_alert_fleets.py`). Leaves live an hour and are
renewed between half and three quarters of it, the time to repair is 10 minutes, and what breaks does so at minute 60:
so the first leaf is lost at minute 90. A number is the minute at which the alert fired; on what is not named it was
silent.
"""


def page(alerts: Sequence[Alert], recordings: Sequence[Recording], seen: Mapping[str, Mapping[str, Fired]]) -> str:
    return "\n".join([INTRODUCTION, _by_alert(alerts, seen), _by_fleet(recordings, seen), _each(alerts)])


def proved(alerts: Sequence[Alert], seen: Mapping[str, Mapping[str, Fired]]) -> str:
    """On which recordings each alert fired, for whoever asks an installation what is proved."""
    return json.dumps({one.name: _names(one, seen) for one in alerts}, indent=2) + "\n"


def _by_alert(alerts: Iterable[Alert], seen: Mapping[str, Mapping[str, Fired]]) -> str:
    lines = ["## By alert", "", "| Alert | Severity | Fires on (minute) | Silent on |", "| --- | --- | --- | --- |"]
    for one in alerts:
        on = [f"{name} ({fired[one.name].first:g})" for name, fired in seen.items() if one.name in fired]
        silent = len(seen) - len(on)
        told = f"{silent} others, the healthy day among them" if "healthy-day" not in _names(one, seen) else str(silent)
        lines.append(f"| `{one.name}` | {one.severity} | {', '.join(on)} | {told} |")
    return "\n".join([*lines, ""])


def _names(one: Alert, seen: Mapping[str, Mapping[str, Fired]]) -> list[str]:
    return [name for name, fired in seen.items() if one.name in fired]


def _by_fleet(recordings: Iterable[Recording], seen: Mapping[str, Mapping[str, Fired]]) -> str:
    lines = ["## By fleet", "", "| Recording | Length | What happens | What fires |", "| --- | --- | --- | --- |"]
    for one in recordings:
        fired = sorted(seen[one.name].items(), key=lambda each: each[1].first)
        told = ", ".join(f"{name.removeprefix('Trustplane')} {when.first:g}" for name, when in fired) or "nothing"
        lines.append(f"| {one.name} | {one.length / 60:g} h | {one.about} | {told} |")
    return "\n".join([*lines, ""])


def _each(alerts: Iterable[Alert]) -> str:
    lines = ["## Why each is worth it", ""]
    for one in alerts:
        held = f", held for {one.held_for}" if one.held_for else ""
        lines.append(f"- `{one.name}` ({one.severity}{held}; [{one.runbook}](runbooks/{one.runbook}.md)): {one.why}")
    return "\n".join([*lines, ""])
