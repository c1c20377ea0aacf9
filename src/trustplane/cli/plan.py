"""`trustplane plan DIR`: everything wrong with a trust repository, and what applying it would change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trustplane.change.plan import plan
from trustplane.cli import admin, repository_difference
from trustplane.cli.output import note, say, say_json
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.fault import Fault, Unavailable
from trustplane.flows.admit_policies import admitted, admitted_at
from trustplane.host.clock import SystemClock
from trustplane.host.repository_files import read_directory
from trustplane.registry.model import DesiredState
from trustplane.wire.http_plan import plan_shape
from trustplane.wire.http_shapes import RevisionFilesShape

EXAMPLES = """\b
Examples:
  trustplane plan trust/
  trustplane plan examples/shop/trust --json
"""

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The trust repository.")]


def command(directory: Directory, server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Show all that is wrong, and what would change.

    Every finding comes at once, with file, line and fix. Nothing is changed. Without a server to compare with, the
    whole repository is shown as new.
    """
    candidate = admitted_at(read_directory(directory), SystemClock().now())
    number, current = _running(server_socket)
    shown = plan_shape(plan(current, candidate), number)
    if as_json:
        say_json(shown)
    else:
        say(repository_difference.text(shown))


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
