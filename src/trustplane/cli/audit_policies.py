"""`trustplane audit policies DIR`: whether a repository is the one whose policies the audit log says are in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from trustplane.cli import admin
from trustplane.cli.output import Exit, say, say_json
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.fault import Refused
from trustplane.host.repository_files import read_directory
from trustplane.policy import book, record
from trustplane.registry import layout
from trustplane.wire.http_shapes import AuditEntriesShape, AuditHeadShape

EXAMPLES = """\b
Examples:
  trustplane audit policies trust/                the policies in force
  trustplane audit policies trust/ --revision 7   those of revision 7
"""
PIECE = 500

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The trust repository.")]
Number = Annotated[int | None, typer.Option("--revision", min=1, help="The revision. Default: the newest applied.")]


def command(
    directory: Directory, server_socket: ServerSocket, revision: Number = None, *, as_json: AsJson = False
) -> None:
    """Prove that these files are what was applied: each service's Cedar, what it was compiled with, and the result.

    The policies are compiled here and compared with the digests that the log holds of them, service by service.
    That nobody changed the log itself is what trustplane audit verify proves.
    """
    files = read_directory(directory)
    now = record.records(book.read(files))
    body = _intent(admin.server(server_socket), revision)
    logged = body.get("policies")
    if not isinstance(logged, Mapping):
        raise Refused(
            code="audit-without-policies",
            what=f"the log says nothing about the policies of revision {body['number']}",
            why="it was applied by a server that did not record them yet",
            fix="apply the repository again after a change; what is applied from now on is recorded",
        )
    differing = record.differences(logged, now)
    same_files = body.get("digest") == layout.digest(files)
    if as_json:
        shape = {"revision": body["number"], "at": body["at"], "by": body["by"], "policies": now.count}
        say_json({**shape, "same": not differing, "same_files": same_files, "differences": differing})
    else:
        say("\n".join(_lines(body, now.count, differing, same_files=same_files)))
    if differing:
        raise typer.Exit(Exit.FAILED)


def _lines(body: Mapping[str, object], count: int, differing: list[str], *, same_files: bool) -> Iterator[str]:
    of = f"revision {body['number']}, applied {body['at']} by {body['by']}"
    if differing:
        yield f"not the policies of {of}:"
        yield from (f"  {one}" for one in differing)
    else:
        yield f"ok: {'1 policy' if count == 1 else f'{count} policies'} as recorded for {of}"
    if not same_files:
        yield "the files differ from those of that revision" + ("" if differing else " in something that is no policy")


def _intent(server: admin.Admin, revision: int | None) -> Mapping[str, object]:
    """The newest that was carried out, of that revision if one is asked for."""
    applied: tuple[object, object] | None = None
    for body in _backwards(server):
        about = (body.get("number"), body.get("digest"))
        if body.get("event") == "revision-applied" and applied is None and revision in (None, body.get("number")):
            applied = about
        if body.get("event") == "revision-intent" and about == applied:
            return body
    raise Refused(
        code="audit-without-policies",
        what="the log has no revision that was applied" if revision is None else f"the log has no revision {revision}",
        why="only what was applied is recorded",
        fix="look at trustplane audit show",
    )


def _backwards(server: admin.Admin) -> Iterator[dict[str, object]]:
    end = server.get("/v1/audit/head", AuditHeadShape).size
    while end > 0:
        start = max(0, end - PIECE)
        bodies: list[bytes] = []
        while start + len(bodies) < end:
            at = start + len(bodies)
            found = server.get("/v1/audit/entries", AuditEntriesShape, start=at, limit=end - at).entries
            if not found:
                break
            bodies += (one.body for one in found)
        yield from (msgspec.json.decode(one, type=dict[str, object]) for one in reversed(bodies))
        end = start
