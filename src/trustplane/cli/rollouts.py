"""`trustplane rollouts`: what deploy systems told of, and which of them may."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from trustplane.cli import admin
from trustplane.cli.arguments import duration
from trustplane.cli.output import instant, note, say, say_json, table
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.wire import http_rollout_shapes as shapes

EXAMPLES = """\b
Examples:
  trustplane rollouts list --since 1d
  trustplane rollouts token create github --expires 90d
  trustplane rollouts token list
  trustplane rollouts token revoke github

\b
A deploy system tells of a rollout at the console's address, at its start and again at its end:
  curl https://console.example/api/rollouts -H "Authorization: Bearer $TOKEN" --json \\
    '{"reference": "pipeline/812", "version": "1.37.2", "services": ["shop/pay"], "started": "2026-11-27T10:00:00Z"}'
"""

group = typer.Typer(
    name="rollouts",
    help="Rollouts that deploy systems tell of, to compare failures with.",
    epilog=EXAMPLES,
    no_args_is_help=True,
)
token = typer.Typer(name="token", help="Which deploy systems may tell of rollouts.", no_args_is_help=True)
group.add_typer(token)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The deploy system, such as github or argo-cd.")]
Since = Annotated[str, typer.Option("--since", metavar="DURATION", help="Those that began or ended this recently.")]
Life = Annotated[str, typer.Option("--expires", metavar="DURATION", help="How long it lasts.")]


@group.command("list")
def listed(server_socket: ServerSocket, since: Since = "7d", *, as_json: AsJson = False) -> None:
    """List rollouts, the newest first."""
    seconds = max(1, int(duration(since).total_seconds()))
    found = admin.server(server_socket).get("/v1/rollouts", shapes.RolloutsShape, seconds=seconds)
    if as_json:
        say_json(found)
    elif found.rollouts:
        say(table(("STARTED", "ENDED", "VERSION", "TOLD BY", "REFERENCE", "WHERE"), map(_row, found.rollouts)))
    else:
        note(f"no rollout was told of in the last {since}: trustplane rollouts --help says how")


@token.command()
def create(name: Name, server_socket: ServerSocket, life: Life = "90d", *, as_json: AsJson = False) -> None:
    """Make a token for a deploy system. It is shown once."""
    body = shapes.DeployTokenRequest(name=name, seconds=int(duration(life).total_seconds()))
    made = admin.server(server_socket).post("/v1/deploy-tokens", shapes.FreshDeployTokenShape, body)
    if as_json:
        say_json(made)
    else:
        say(made.token)
        note(f"for {made.name}, until {instant(made.expires_at)}; it is not shown again")


@token.command("list")
def tokens(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """List the deploy systems that have one."""
    _tell(admin.server(server_socket).get("/v1/deploy-tokens", shapes.DeployTokensShape), as_json=as_json)


@token.command()
def revoke(name: Name, server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Take a token back. What was told with it stays."""
    path = f"/v1/deploy-tokens/{quote(name, safe='')}/revoke"
    _tell(admin.server(server_socket).post(path, shapes.DeployTokensShape), as_json=as_json)


def _tell(found: shapes.DeployTokensShape, *, as_json: bool) -> None:
    if as_json:
        say_json(found)
    elif found.tokens:
        rows = [(one.name, instant(one.expires_at), instant(one.created_at), one.created_by) for one in found.tokens]
        say(table(("NAME", "EXPIRES", "MADE", "BY"), rows))
    else:
        note("no deploy system has a token: trustplane rollouts token create NAME")


def _row(one: shapes.RolloutShape) -> tuple[str, ...]:
    where = [*one.services, *(f"node {name}" for name in one.nodes)]
    more = [f"and {len(where) - 4} more"] if len(where) > 4 else []
    ended = instant(one.ended) if one.ended else "under way"
    return (instant(one.started), ended, one.version, one.told_by, one.reference, ", ".join([*where[:4], *more]))
