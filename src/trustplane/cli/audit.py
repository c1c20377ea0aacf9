"""`trustplane audit`: read the append-only log, and prove that nobody changed it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from trustplane.audit.checkpoint import Checkpoint, NoteKey, is_signed_by, open_note
from trustplane.audit.log import AuditEntry
from trustplane.audit.verify import Verification
from trustplane.cli import admin, audit_policies
from trustplane.cli.arguments import as_input
from trustplane.cli.output import note, say, say_json
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.cli.svid_files import read_bounded
from trustplane.fault import Refused
from trustplane.wire.http_shapes import (
    AuditEntriesShape,
    AuditHeadShape,
    CheckpointShape,
    CheckpointsShape,
)

group = typer.Typer(name="audit", help="Read the audit log, and prove that nobody changed it.", no_args_is_help=True)

MOST_CHECKPOINTS = 1000
SHOW_EXAMPLES = """\b
Examples:
  trustplane audit show                        the newest entries
  trustplane audit show --start 0 --limit 50
  trustplane audit show --checkpoint > kept    keep one away from the server, for audit verify
  trustplane audit show --key > key            likewise the key that verifies it
"""
VERIFY_EXAMPLES = """\b
Examples:
  trustplane audit verify
  trustplane audit verify --checkpoint kept --key key
"""
PIECE = 2000

Start = Annotated[int | None, typer.Option(min=0, help="The first entry. Default: so that the newest are shown.")]
Limit = Annotated[int, typer.Option(min=1, max=PIECE, help="How many entries at most.")]
ShowKey = Annotated[bool, typer.Option("--key", help="Print the key that verifies checkpoints instead.")]
ShowCheckpoint = Annotated[bool, typer.Option("--checkpoint", help="Print the newest signed checkpoint instead.")]
Kept = Annotated[
    list[Path] | None, typer.Option("--checkpoint", metavar="FILE", help="A checkpoint kept from earlier; repeatable.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="The verifier key kept from earlier. Default: ask the server."),
]


@group.command(epilog=SHOW_EXAMPLES)
def show(
    server_socket: ServerSocket,
    start: Start = None,
    limit: Limit = 20,
    *,
    key: ShowKey = False,
    checkpoint: ShowCheckpoint = False,
    as_json: AsJson = False,
) -> None:
    """Show entries of the audit log, or what is needed to verify it later."""
    server = admin.server(server_socket)
    if key:
        say(server.get("/v1/audit/head", AuditHeadShape).key)
        return
    if checkpoint:
        say(server.get("/v1/audit/checkpoint", CheckpointShape).note.rstrip("\n"))
        return
    size = server.get("/v1/audit/head", AuditHeadShape).size
    first = max(0, size - limit) if start is None else start
    found = server.get("/v1/audit/entries", AuditEntriesShape, start=first, limit=limit)
    bodies = [{"index": one.index, **_body(one.body)} for one in found.entries]
    if as_json:
        say_json({"size": size, "entries": bodies})
        return
    for body in bodies:
        at, event = str(body.pop("at", "")), str(body.pop("event", "?"))
        index = body.pop("index")
        say(f"{index:>6}  {at}  {event}  {msgspec.json.encode(body).decode()}")
    later = size - first - len(bodies)
    if later > 0:
        say(f"and {later} more: --start {first + len(bodies)}")


@group.command(epilog=VERIFY_EXAMPLES)
def verify(
    server_socket: ServerSocket, checkpoint: Kept = None, key: KeyFile = None, *, as_json: AsJson = False
) -> None:
    """Fetch every entry, hash it all again, and compare with every signed checkpoint.

    Ends with 1 and names the entry when one was edited, removed or replaced. The server's own checkpoints show that it
    agrees with itself; one that was kept elsewhere shows that it is still the log it was.
    """
    server = admin.server(server_socket)
    kept = [read_bounded(path).decode(errors="replace") for path in checkpoint or []]
    own = server.get("/v1/audit/checkpoints", CheckpointsShape, limit=MOST_CHECKPOINTS)
    if own.more:
        note(f"note: compared with the newest {MOST_CHECKPOINTS} checkpoints; there are older ones")
    head = server.get("/v1/audit/head", AuditHeadShape)
    with as_input():
        trusted = NoteKey.parse(read_bounded(key).decode(errors="replace") if key else head.key)
        checkpoints = [open_note(one, [trusted]) for one in kept]
    # Replicas sign with a key each; the checkpoints of another are verified where its key is known.
    checkpoints += [open_note(one, [trusted]) for one in own.notes if is_signed_by(one, trusted)]
    verification = Verification(checkpoints)
    for piece in _pieces(server, head.size):
        verification.feed(piece)
        if head.size > PIECE:
            note(f"{verification.size} of {head.size} entries")
    findings = verification.findings((head.size, tuple(bytes.fromhex(one) for one in head.frontier)))
    if findings:
        raise Refused.all_of(findings)
    _verified(verification, checkpoints, len(kept), as_json=as_json)


def _verified(of: Verification, checkpoints: list[Checkpoint], kept: int, *, as_json: bool) -> None:
    if as_json:
        say_json(
            {"verified": True, "size": of.size, "root": of.root.hex(), "checkpoints": len(checkpoints), "kept": kept}
        )
        return
    say(f"verified: {of.size} entries, {len(checkpoints)} signed checkpoints, {kept} kept by you; root {of.root.hex()}")
    if not kept:
        note("note: all checkpoints came from this server; keep one elsewhere: trustplane audit show --checkpoint")


def _pieces(server: admin.Admin, size: int) -> Iterator[list[AuditEntry]]:
    """Up to `size`, which is where the head was; entries appended since are not part of it."""
    start = 0
    while start < size:
        limit = min(PIECE, size - start)
        found = server.get("/v1/audit/entries", AuditEntriesShape, start=start, limit=limit).entries
        if not found:
            return
        yield [AuditEntry(one.index, one.body, bytes.fromhex(one.leaf_hash)) for one in found]
        start += len(found)


def _body(body: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {"event": "unreadable", "body": body.decode(errors="replace")}


group.command(name="policies", epilog=audit_policies.EXAMPLES)(audit_policies.command)
