"""`trustplane proposals`: acts that wait for somebody's approval, what they would do, and what came of them."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer

from trustplane.cli import admin
from trustplane.cli.output import fields, instant, note, relative, say, say_json, table
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.wire import http_proposal_shapes as shapes

MAX_LINE = 1024

EXAMPLES = """\b
Examples:
  trustplane proposals list
  trustplane proposals show 7
  trustplane proposals approve 7 --as grace --reason "looked at its callers"      asks for grace's password
  trustplane proposals refuse 7 --reason "not on a Friday"
  trustplane proposals withdraw 7

\b
A server that was started with --require-approval proposes what it is asked for. To act at once all the same:
  trustplane rotate start --reason "stolen key" --emergency --break-glass "INC-7, nobody else is awake"
"""

group = typer.Typer(
    name="proposals",
    help="Acts that one person proposes and another approves.",
    epilog=EXAMPLES,
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(metavar="N", min=1, help="Its number, as `proposals list` shows it.")]
As = Annotated[str, typer.Option("--as", metavar="ACCOUNT", help="An approver's account; its password is asked for.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")]
Many = Annotated[int, typer.Option("--limit", min=1, max=200, help="How many at most.")]


@group.command("list")
def listed(server_socket: ServerSocket, limit: Many = 50, *, as_json: AsJson = False) -> None:
    """List proposals, the newest first."""
    found = admin.server(server_socket).get("/v1/proposals", shapes.ProposalsShape, limit=limit)
    if as_json:
        say_json(found)
        return
    if found.proposals:
        rows = [
            (str(one.number), _phase(one), one.act, one.by, one.decided_by or "-", _when(one, found), one.why)
            for one in found.proposals
        ]
        say(table(("NUMBER", "STATE", "ACT", "BY", "DECIDED BY", "WHEN", "WHY"), rows))
    else:
        note("nothing was ever proposed here: operators propose in the console")
    if found.required:
        note(f"proposed also when asked for at this socket: {', '.join(found.required)}")


@group.command()
def show(number: Number, server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Show what would happen, or what came of it."""
    found = _get(server_socket, number)
    say_json(found) if as_json else say(text(found))


@group.command()
def approve(
    number: Number, server_socket: ServerSocket, account: As, reason: Reason, *, as_json: AsJson = False
) -> None:
    """Approve it as an approver. It is done at once, and never a second time.

    What it would do is shown first. The password is asked for, or read as one line of standard input: names said at
    the socket are not proven.
    """
    found = _get(server_socket, number)
    if not as_json:
        note(text(found))
    body = shapes.ApprovalRequest(account=account, password=_password(account), digest=found.digest, word=reason)
    ended = admin.server(server_socket).post(f"{_path(number)}/approve", shapes.ProposalShape, body)
    _tell(ended, as_json=as_json)
    if ended.phase == "failed":
        raise typer.Exit(1)


@group.command()
def refuse(number: Number, server_socket: ServerSocket, reason: Reason, *, as_json: AsJson = False) -> None:
    """Refuse it: it is not done."""
    body = shapes.RefusalRequest(word=reason)
    _tell(admin.server(server_socket).post(f"{_path(number)}/refuse", shapes.ProposalShape, body), as_json=as_json)


@group.command()
def withdraw(number: Number, server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Withdraw what you proposed."""
    _tell(admin.server(server_socket).post(f"{_path(number)}/withdraw", shapes.ProposalShape), as_json=as_json)


def text(one: shapes.ProposalShape) -> str:
    about = [
        ("state", _phase(one) + (f": {one.told}" if one.told else "")),
        ("by", f"{one.by}, {instant(one.at)}"),
        ("why", one.why),
        ("decided by", f"{one.decided_by}, {instant(one.decided_at)}" if one.decided_by else ""),
        ("their word", one.word),
        ("expires", instant(one.expires_at) if one.phase == "proposed" else ""),
        ("judged against", ", ".join(f"{name} {value}" for name, value in one.state.items())),
        ("digest", one.digest),
    ]
    words = "\n".join(f"  {each}" for each in one.words)
    parts = [f"proposal {one.number}: {one.act}", fields(about), f"what will happen:\n{words}"]
    return "\n\n".join([*parts, one.plan] if one.plan else parts)


def waiting(one: shapes.ProposalShape, *, as_json: bool) -> None:
    """In place of an act's own answer."""
    if as_json:
        say_json(one)
        return
    say(f"proposal {one.number}: {one.act} waits for an approval until {instant(one.expires_at)}; nothing was done")
    say("\n".join(f"  {each}" for each in one.words))
    note(f"an approver decides in the console, or with: trustplane proposals approve {one.number} --as ACCOUNT")


def _tell(one: shapes.ProposalShape, *, as_json: bool) -> None:
    if as_json:
        say_json(one)
    else:
        say(f"proposal {one.number} is {_phase(one)}" + (f": {one.told}" if one.told else ""))


def _get(server_socket: ServerSocket, number: int) -> shapes.ProposalShape:
    return admin.server(server_socket).get(_path(number), shapes.ProposalShape)


def _path(number: int) -> str:
    return f"/v1/proposals/{number}"


def _phase(one: shapes.ProposalShape) -> str:
    return f"{one.phase} (glass broken)" if one.glass_broken else one.phase


def _when(one: shapes.ProposalShape, found: shapes.ProposalsShape) -> str:
    if one.phase == "proposed":
        return f"expires {relative(one.expires_at, found.now)}"
    return relative(one.ended_at or one.decided_at, found.now)


def _password(account: str) -> str:
    """Never an argument: those are seen by every process of the machine."""
    if not sys.stdin.isatty():
        return sys.stdin.readline(MAX_LINE).rstrip("\r\n")
    return getpass.getpass(f"password of {account}: ")
