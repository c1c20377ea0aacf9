"""`trustplane diagnose`: why handshakes failed and what to do, from what a server keeps, logs, or an error's words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli import fleet_failures, kept_failures
from trustplane.cli.arguments import as_input, duration
from trustplane.cli.diagnosis_text import answer, text
from trustplane.cli.held_files import ClientHolds, ServerHolds, held_files
from trustplane.cli.kept_failures import Asked
from trustplane.cli.output import WrongInput, note, say, say_json
from trustplane.cli.shown_state import BundleFile, ChainFile, CrlFiles, Expected, shown_state
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.flows.records.diagnose import Found, Window, diagnose_logs
from trustplane.flows.records.keep_handshakes import KEPT_FOR
from trustplane.handshake.failure import Failure, Implementation, Side, Tls
from trustplane.handshake.known import Known
from trustplane.handshake.readers.event import build_of
from trustplane.handshake.readers.formats import Format
from trustplane.host.log_files import STANDARD_INPUT, LogFile

EXAMPLES = """\b
Examples:
  trustplane diagnose --since 1h                               what sidecars told the server
  trustplane diagnose --from 2026-11-27T09:00 --to 2026-11-27T10:30
  trustplane diagnose client/access.log server/access.log      joined, connection by connection
  trustplane diagnose "remote error: tls: certificate required"
  trustplane diagnose access.log --since 1h --chain svid.pem --bundle roots.pem
  trustplane diagnose client/access.log --client-holds config_dump.json
  trustplane diagnose --fleet --since 1h                       what the failures have in common
  trustplane diagnose --fleet */access.log
  trustplane ingest nginx error.log | trustplane diagnose - --json
"""

NOBODY_TOLD = "no sidecar told of a failed handshake in that time"
NOTHING_THERE = "no failed handshake is in there"

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="[LOGFILE|TEXT...]", help="Logs, - for stdin, or an error's words; without any, the server is asked."
    ),
]
Written = Annotated[Format | None, typer.Option("--format", help="What the logs are written in; otherwise it is seen.")]
Since = Annotated[str | None, typer.Option(metavar="DURATION", help="Only what is this recent.")]
From = Annotated[datetime | None, typer.Option("--from", help="Only from then on, UTC.")]
To = Annotated[datetime | None, typer.Option("--to", help="Only before then, UTC.")]
Writer = Annotated[Implementation | None, typer.Option("--by", help="Who wrote the error's words.")]
Whose = Annotated[Side | None, typer.Option("--side", help="On which side the words were written.")]
Version = Annotated[Tls | None, typer.Option("--tls", help="The TLS version spoken.")]
Fleet = Annotated[bool, typer.Option("--fleet", help="Say what the failures have in common, against what works.")]
Build = Annotated[str, typer.Option("--build", metavar="VERSION", help="Of what wrote the words, as 1.38.3.")]


def command(  # noqa: PLR0913, PLR0917 - one parameter per option
    server_socket: ServerSocket,
    sources: Sources = [],  # noqa: B006 - typer reads it and never changes it
    written: Written = None,
    since: Since = None,
    begins: From = None,
    ends: To = None,
    by: Writer = None,
    side: Whose = None,
    tls: Version = None,
    build: Build = "",
    chain: ChainFile = None,
    bundle: BundleFile = None,
    crl: CrlFiles = [],  # noqa: B006 - typer reads it and never changes it
    expect: Expected = "",
    client_holds: ClientHolds = None,
    server_holds: ServerHolds = None,
    *,
    fleet: Fleet = False,
    as_json: AsJson = False,
) -> None:
    """Find out why handshakes failed: cause, confidence, evidence, fix.

    Without logs or words, of what the sidecars told the server. Both sides' records are joined by connection. An
    answer of 0.9 or more is in the refusing side's own words; below that it says what would tell the remaining causes
    apart. Show the refused chain and what the other side trusts to have them checked too, or what a side itself has.
    """
    now = datetime.now(UTC)  # noqa: TID251 - a person asks about now
    known = Known(shown_state(chain, bundle, crl, expect, now), held_files(client_holds, server_holds), now)
    logs = [LogFile(one) for one in sources if not _is_text(one)]
    words = [Failure(one, by, side, build_of(build), tls) for one in sources if _is_text(one)]
    window = _window(since, begins, ends, now)
    if fleet:
        fleet_failures.refuse_what_is_of_one(words=words, known=known)
        read = (logs, written, window) if logs else _asked(since or "1h", window)
        fleet_failures.compare(server_socket, read, as_json=as_json)
    elif sources:
        _say_found(_in_logs(logs, words, written, window, known), NOTHING_THERE, as_json=as_json)
    else:
        _say_found(kept_failures.ask(server_socket, _asked(since, window), known), NOBODY_TOLD, as_json=as_json)


def _in_logs(
    logs: Sequence[LogFile], words: Sequence[Failure], written: Format | None, window: Window, known: Known
) -> Found:
    with as_input():
        found = diagnose_logs(logs, written, window, known, words)
    if found.left_out:
        note(f"only the last {found.failures - found.left_out} of {found.failures} failures were looked at")
    return found


def _asked(since: str | None, window: Window) -> Asked:
    if since is None and window.begins is None:
        raise WrongInput(
            code="wrong-usage",
            what="there is nothing to diagnose",
            why="no log and no words are given, and no time of which the server is to be asked",
            fix="give a log, or a time: trustplane diagnose --since 1h",
        )
    ago = duration(since) if since else timedelta(hours=1)
    if not timedelta(seconds=1) <= ago <= KEPT_FOR:
        raise WrongInput(
            code="bad-duration",
            what=f"{since} is not kept",
            why=f"failed handshakes are counted for {KEPT_FOR.days} days",
            fix="write for example --since 7d",
        )
    return Asked(ago, None if since else window.begins, window.ends)


def _say_found(found: Found, nothing: str, *, as_json: bool) -> None:
    if as_json:
        say_json(answer(found.groups, found.failures, found.left_out))
    elif found.groups:
        say(text(found.groups))
    else:
        note(nothing)


def _is_text(source: str) -> bool:
    """An error has several words; a path that exists, or has no space, is a path."""
    return source != STANDARD_INPUT and any(one.isspace() for one in source.strip()) and not _exists(source)


def _exists(source: str) -> bool:
    try:
        return Path(source).is_file()
    except (OSError, ValueError):
        return False


def _window(since: str | None, begins: datetime | None, ends: datetime | None, now: datetime) -> Window:
    if since and begins:
        raise WrongInput(
            code="wrong-usage",
            what="--since and --from both say when to begin",
            why="one of them would be ignored",
            fix="leave one out",
        )
    start = now - duration(since) if since else _in_utc(begins)
    return Window(start, _in_utc(ends))


def _in_utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at else None
