"""`trustplane diagnose --fleet`: what failures have in common, of a server's records or of logs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trustplane.cli import admin
from trustplane.cli.arguments import as_input
from trustplane.cli.fleet_text import fleet_text
from trustplane.cli.kept_failures import Asked
from trustplane.cli.output import WrongInput, note, say, say_json
from trustplane.flows.records.diagnose import Window, rank_logs
from trustplane.handshake.failure import Failure
from trustplane.handshake.holding import NOTHING
from trustplane.handshake.known import Known
from trustplane.handshake.readers.formats import Format
from trustplane.host.log_files import LogFile
from trustplane.wire.http_fleet import LONGEST, SHORTEST, FleetShape, fleet_shape


def refuse_what_is_of_one(*, words: Sequence[Failure], known: Known) -> None:
    if words or known.shown is not None or known.held is not NOTHING:
        raise WrongInput(
            code="wrong-usage",
            what="--fleet takes logs, or nothing",
            why="many connections are compared there; an error's words, a chain or what a side holds are of one",
            fix="leave out either --fleet or what is of one connection",
        )


def compare(socket: Path, what: Asked | tuple[Sequence[LogFile], Format | None, Window], *, as_json: bool) -> None:
    """What the server is asked for, or what is read."""
    say_fleet(ask(socket, what) if isinstance(what, Asked) else in_logs(*what), as_json=as_json)


def in_logs(logs: Sequence[LogFile], written: Format | None, window: Window) -> FleetShape:
    with as_input():
        found = rank_logs(logs, written, window)
    return fleet_shape(found.ranking, found.left_out)


def ask(socket: Path, asked: Asked) -> FleetShape:
    if asked.begins or asked.ends or not SHORTEST <= asked.ago <= LONGEST:
        raise WrongInput(
            code="wrong-usage",
            what="the server compares a time that ends now",
            why=f"with who is there now; it lasts from a minute to {LONGEST.days} days",
            fix="write for example trustplane diagnose --fleet --since 1h",
        )
    query = {"seconds": int(asked.ago.total_seconds())}
    return admin.server(socket).get("/v1/handshakes/fleet", FleetShape, **query)


def say_fleet(found: FleetShape, *, as_json: bool) -> None:
    if found.left_out:
        note(f"{found.left_out} records were too many to be compared")
    if as_json:
        say_json(found)
    elif found.failures:
        say(fleet_text(found))
    else:
        note("no failed handshake is in there" if found.until is None else "no sidecar told of one in that time")
