"""`trustplane policy traffic [SERVICE]`: who calls what, and which rule let it in or kept it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from trustplane.cli import arguments, observed
from trustplane.cli.observed import Since
from trustplane.cli.output import relative, say, say_json, table
from trustplane.cli.sockets import AsJson, ServerSocket
from trustplane.wire.http_traffic_shapes import DecisionShape, TrafficShape

EXAMPLES = """\b
Examples:
  trustplane policy traffic
  trustplane policy traffic shop/payments --since 1h
  trustplane policy traffic --denied            what is refused, and the permit that comes nearest
"""
MOST_SHOWN = 1000

ServiceName = Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="Its callers only, as shop/payments.")]
Denied = Annotated[bool, typer.Option("--denied", help="Only what was refused.")]


def command(
    server_socket: ServerSocket,
    service: ServiceName = None,
    since: Since = "24h",
    *,
    denied: Denied = False,
    as_json: AsJson = False,
) -> None:
    """Show who called what, whether it was let in, and by which rule.

    Counted by the callees' sidecars, every request. A rule named `default` is none: what no rule allows is refused.
    """
    callee = arguments.service(service) if service else None
    shape = observed.ask(server_socket, since, callee, MOST_SHOWN).shape
    shown = [one for one in shape.decisions if not (denied and one.allowed)]
    if as_json:
        say_json({"since": shape.since, "decisions": shown, "losses": shape.losses, "more": shape.more})
    else:
        say("\n".join(_lines(shape, shown)))


def _lines(shape: TrafficShape, shown: Sequence[DecisionShape]) -> list[str]:
    if not shown:
        return [f"nothing was {'seen' if not shape.decisions else 'refused'} since {shape.since:%Y-%m-%d %H:%MZ}"]
    header = ("CALLER", "SERVICE", "OPERATION", "REQUEST", "VERDICT", "RULE", "COUNT", "FIRST", "LAST")
    lines = [table(header, (_row(one, shape) for one in shown))]
    refused = [one for one in shown if not one.allowed]
    lines += [
        f"{_caller(one)} {one.method} {_path(one)} {one.service}: nearest is {one.nearest}"
        for one in refused
        if one.nearest
    ]
    counts = [sum(one.count for one in shown if one.allowed is allowed) for allowed in (True, False)]
    return [*lines, f"{counts[0]} allowed, {counts[1]} denied"]


def _row(one: DecisionShape, shape: TrafficShape) -> Sequence[str]:
    return (
        _caller(one),
        one.service,
        one.operation or "-",
        f"{one.method} {_path(one)}",
        "allowed" if one.allowed else "denied",
        one.rule or "default",
        str(one.count),
        relative(one.first, shape.now),
        relative(one.last, shape.now),
    )


def _caller(one: DecisionShape) -> str:
    return one.caller_service or one.caller or "without one SPIFFE ID"


def _path(one: DecisionShape) -> str:
    return f"{one.path}…" if one.path_folded else one.path
