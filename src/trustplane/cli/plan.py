"""`trustplane plan DIR`: everything wrong with a trust repository, and what applying it would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from trustplane.change.plan import plan
from trustplane.cli import admin, observed, repository_difference
from trustplane.cli.observed import Live, Since
from trustplane.cli.output import note, say, say_json
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.fault import Fault, Unavailable
from trustplane.flows.desired.admit_policies import admitted, admitted_at
from trustplane.host.clock import SystemClock
from trustplane.host.repository_files import read_directory
from trustplane.policy.comparison import caller_names, compare
from trustplane.registry.model import DesiredState
from trustplane.verdict.live import Traffic
from trustplane.wire.http_plan import plan_shape
from trustplane.wire.http_shapes import RevisionFilesShape

EXAMPLES = """\b
Examples:
  trustplane plan trust/
  trustplane plan examples/shop/trust --json
  trustplane plan trust/ --live --since 30d    with the requests there were in each change of policy
"""

MOST_CALLERS = 10

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The trust repository.")]


def command(
    directory: Directory,
    server_socket: ServerSocket,
    since: Since = "7d",
    *,
    live: Live = False,
    as_json: AsJson = False,
) -> None:
    """Show all that is wrong, and what would change.

    Every finding comes at once, with file, line and fix. Nothing is changed. Without a server to compare with, the
    whole repository is shown as new. With --live, what becomes allowed or denied has the number of requests there were
    in it.
    """
    candidate = admitted_at(read_directory(directory), SystemClock().now())
    number, current = _running(server_socket)
    shown = plan_shape(plan(current, candidate), number)
    counted = _counted(current, candidate, server_socket, since) if live else ()
    if as_json:
        say_json({**msgspec.to_builtins(shown), "live": counted} if live else shown)
    else:
        say("\n".join((repository_difference.text(shown), *map(_counted_text, counted))))


def _counted(
    current: DesiredState | None, candidate: DesiredState, socket: Path, since: str
) -> Sequence[Mapping[str, object]]:
    """Each change of policy with the requests there were in it."""
    changes = list(compare(current, candidate))
    traffic = Traffic(current, candidate, observed.ask(socket, since).traffic) if changes else None
    return [
        {
            "service": str(one.service),
            "operation": one.operation,
            "newly": "allowed" if one.region.newly_allowed else "denied",
            "callers": list(caller_names(candidate, one.region)),
            "requests": traffic.of(one, changes).requests,
            "unknown": traffic.of(one, changes).unknown,
        }
        for one in changes
        if traffic
    ]


def _counted_text(one: Mapping[str, object]) -> str:
    callers = one["callers"] if isinstance(one["callers"], list) else ()
    shown = ", ".join(callers[:MOST_CALLERS]) + (" and more" if len(callers) > MOST_CALLERS else "")
    unknown = f", and {one['unknown']} more of which the log cannot tell" if one["unknown"] else ""
    asked = f"{one['service']} {one['operation'] or 'outside its operations'}"
    return f"live: {one['requests']} requests would newly be {one['newly']}{unknown}: {asked}, by {shown}"


def _running(socket: Path) -> tuple[int | None, DesiredState | None]:
    try:
        revision = admin.server(socket).get("/v1/revisions/current", RevisionFilesShape)
    except Unavailable as absent:
        note(f"note: {absent.finding.what} ({absent.finding.why}); comparing with nothing")
        return None, None
    except Fault as refusal:
        if refusal.code != "unknown-revision":
            raise
        return None, None
    files = {path: text.encode() for path, text in revision.files.items()}
    return revision.number, admitted(files)
