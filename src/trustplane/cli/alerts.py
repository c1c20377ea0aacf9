"""`trustplane alerts`: the alert rules and dashboards that come along, to be looked at and installed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli.arguments import as_input
from trustplane.cli.output import say, say_json, table
from trustplane.cli.sockets import AsJson
from trustplane.host import alert_files

LIST_EXAMPLES = """\b
Examples:
  trustplane alerts list
  trustplane alerts list --json
"""
WRITE_EXAMPLES = """\b
Examples:
  trustplane alerts write ./monitoring --runbooks https://git.example.com/ops/runbooks/
  promtool check rules ./monitoring/prometheus/*.yaml
"""

group = typer.Typer(name="alerts", help="Alert rules and dashboards: list and install them.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="Where to; files of the same names are replaced.")]
Runbooks = Annotated[str, typer.Option(metavar="URL", help="Where you publish the runbooks; alerts link there.")]


@group.command("list", epilog=LIST_EXAMPLES)
def show_all(*, as_json: AsJson = False) -> None:
    """List every alert: how urgent, what it watches, which runbook."""
    alerts = alert_files.shipped().alerts
    if as_json:
        say_json(alerts)
        return
    rows = [(one.name, one.severity, one.held_for or "-", one.runbook, one.command) for one in alerts]
    say(table(("ALERT", "SEVERITY", "FOR", "RUNBOOK", "TYPE FIRST"), rows))


@group.command(epilog=WRITE_EXAMPLES)
def write(directory: Directory, runbooks: Runbooks, *, as_json: AsJson = False) -> None:
    """Write rules for Prometheus, dashboards for Grafana and the runbooks they link to."""
    with as_input():
        files = alert_files.write(directory, runbooks)
    if as_json:
        say_json([str(one) for one in files])
    else:
        say("\n".join(map(str, files)))
        say(f"\nPrometheus reads them with   rule_files: [{directory}/prometheus/*.yaml]")
