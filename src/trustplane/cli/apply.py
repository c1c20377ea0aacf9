"""`trustplane apply`: make a trust repository, or an earlier revision of it, what the server acts on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli import admin, repository_difference
from trustplane.cli.output import WrongInput, say, say_json
from trustplane.cli.repository_text import repository_text
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.wire.http_shapes import AppliedShape, RepositoryRequest

EXAMPLES = """\b
Examples:
  trustplane apply trust/
  trustplane apply --revision 3     take revision 3 again, as the next revision
"""

Directory = Annotated[Path | None, typer.Argument(metavar="[DIR]", help="The trust repository.")]
Number = Annotated[int | None, typer.Option("--revision", min=1, metavar="N", help="Restore this revision instead.")]


def command(
    server_socket: ServerSocket, directory: Directory = None, revision: Number = None, *, as_json: AsJson = False
) -> None:
    """Apply a trust repository as the next revision.

    The server checks it again, keeps it whole, and pushes what changed to every agent. The same files again change
    nothing. Earlier revisions stay and can be restored.
    """
    if (directory is None) == (revision is None):
        raise WrongInput(
            code="apply-what",
            what="apply takes a directory or --revision, and exactly one of them",
            why="a revision is either new files or an earlier revision again",
            fix="trustplane apply DIR, or trustplane apply --revision N",
        )
    server = admin.server(server_socket)
    if directory is not None:
        request = RepositoryRequest(files=repository_text(directory))
        applied = server.post("/v1/revisions", AppliedShape, request)
    else:
        applied = server.post(f"/v1/revisions/{revision}/restore", AppliedShape)
    if as_json:
        say_json(applied)
        return
    say(repository_difference.text(applied.plan))
    say(f"revision {applied.revision.number} holds")
