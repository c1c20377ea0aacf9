"""Writes docs/metrics.md: every metric that a server or an agent shows, from where it is declared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trustplane.main.metrics.measure import Measure
from trustplane.main.metrics.shown import AGENT, SERVER

PAGE = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"
INTRODUCTION = """\
# Metrics

<!-- Written by scripts/write_metrics.py; `make drift` fails when it is out of date. -->

Read when scraped, from what a process holds in memory: a scrape costs the database nothing. Units are base units, an
instant is in seconds since 1970, and what does not exist has no figure instead of a zero. The number of label values is
bounded: cohorts by 50 of a kind, the rest by the trust repository or by the code.

[Alerts](alerts.md) are made of these, and `trustplane alerts write` gives the rules and dashboards.
"""
OF_SERVER = """\
## Server

At `/metrics` of the HTTPS listener and of the admin socket. Figures of the fleet (agents, bundles, leaves, cohorts, the
outage budget) are the same at every server: take the maximum, not the sum.
"""
OF_AGENT = """\
## Agent

At `/metrics` of the agent's admin socket: `curl --unix-socket agent.sock http://agent/metrics`. The alerts need none of
them; they tell more of one node.
"""


def main() -> None:
    PAGE.write_text("\n".join([INTRODUCTION, OF_SERVER, _table(SERVER), OF_AGENT, _table(AGENT)]))


def _table(measures: Iterable[Measure]) -> str:
    lines = [f"| `{one.shown_as}` | {one.kind.value} | {_labels(one)} | {one.meaning} |" for one in measures]
    return "\n".join(["| Metric | Type | Labels | Meaning |", "| --- | --- | --- | --- |", *lines, ""])


def _labels(one: Measure) -> str:
    return ", ".join(f"`{label}`" for label in one.labels)


if __name__ == "__main__":
    main()
