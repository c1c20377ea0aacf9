"""`trustplane console`: who may use the web console."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated
from urllib.parse import quote

import typer

from trustplane.cli import admin
from trustplane.cli.output import WrongInput, instant, note, say, say_json, table
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.wire import http_people_shapes as shapes

MAX_LINE = 1024

group = typer.Typer(name="console", help="The web console: who may use it.", no_args_is_help=True)

EXAMPLES = """\b
Examples:
  trustplane console account add ada --role viewer               asks for the password
  trustplane console account add ci-eyes --role auditor < password.txt
  trustplane console account list
  trustplane console account role ada operator
  trustplane console account password ada
  trustplane console account remove ada
"""

account = typer.Typer(
    name="account",
    help="Local accounts. Roles: viewer, operator, approver; auditor also reads the audit log.",
    epilog=EXAMPLES,
    no_args_is_help=True,
)
group.add_typer(account)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account.")]
RoleName = Annotated[str, typer.Option("--role", help="viewer, operator, approver or auditor.")]


@account.command()
def add(name: Name, server_socket: ServerSocket, role: RoleName, *, as_json: AsJson = False) -> None:
    """Add an account. The password is asked for, or read as one line of standard input."""
    body = shapes.AccountRequest(name=name, role=role, password=_password())
    added = admin.server(server_socket).post("/v1/accounts", shapes.AccountShape, body)
    _tell(added, "added", as_json=as_json)


@account.command("list")
def everyone(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """List the accounts."""
    found = admin.server(server_socket).get("/v1/accounts", shapes.AccountsShape)
    if as_json:
        say_json(found)
    elif found.accounts:
        rows = [(one.name, one.role, instant(one.changed_at), one.created_by) for one in found.accounts]
        say(table(("ACCOUNT", "ROLE", "CHANGED", "ADDED BY"), rows))
    else:
        note("nobody has an account yet: trustplane console account add NAME --role viewer")


@account.command()
def role(
    name: Name,
    new_role: Annotated[str, typer.Argument(metavar="ROLE", help="viewer, operator, approver or auditor.")],
    server_socket: ServerSocket,
    *,
    as_json: AsJson = False,
) -> None:
    """Give an account another role. Whoever is signed in with it is signed out."""
    body = shapes.RoleRequest(role=new_role)
    changed = admin.server(server_socket).post(f"{_path(name)}/role", shapes.AccountShape, body)
    _tell(changed, f"is {changed.role} now", as_json=as_json)


@account.command()
def password(name: Name, server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Set another password. Whoever is signed in with the old one is signed out."""
    body = shapes.PasswordRequest(password=_password())
    changed = admin.server(server_socket).post(f"{_path(name)}/password", shapes.AccountShape, body)
    _tell(changed, "has another password now", as_json=as_json)


@account.command()
def remove(name: Name, server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Remove an account. Whoever is signed in with it is signed out."""
    removed = admin.server(server_socket).post(f"{_path(name)}/remove", shapes.AccountShape)
    _tell(removed, "removed", as_json=as_json)


def _tell(found: shapes.AccountShape, outcome: str, *, as_json: bool) -> None:
    if as_json:
        say_json(found)
    else:
        say(f"account {found.name}: {outcome}")


def _path(name: str) -> str:
    return f"/v1/accounts/{quote(name, safe='')}"


def _password() -> str:
    """Never an argument: those are seen by every process of the machine."""
    if not sys.stdin.isatty():
        return sys.stdin.readline(MAX_LINE).rstrip("\r\n")
    first = getpass.getpass("password: ")
    if getpass.getpass("again: ") != first:
        raise WrongInput(
            code="passwords-differ",
            what="the two passwords differ",
            why="a slip of the finger would lock its owner out",
            fix="type it again",
        )
    return first
