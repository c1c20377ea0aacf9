"""Observed traffic, as commands ask a server for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli import admin, arguments
from trustplane.cli.output import WrongInput, note
from trustplane.registry.model import DesiredState
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.tally import Tallies, Tally, add
from trustplane.wire.http_traffic import MOST_DECISIONS, decision_of
from trustplane.wire.http_traffic_shapes import TrafficShape

Since = Annotated[str, typer.Option(metavar="DURATION", help="So far back, from the beginning of that hour.")]
Live = Annotated[bool, typer.Option("--live", help="With the requests there were, from the server.")]


@dataclass(frozen=True, slots=True)
class Observed:
    traffic: Tallies
    shape: TrafficShape


def ask(socket: Path, since: str, service: ServiceName | None = None, limit: int = MOST_DECISIONS) -> Observed:
    """What is not whole is said on standard error."""
    seconds = int(arguments.duration(since).total_seconds())
    if not 0 < seconds <= 30 * 86400:
        raise WrongInput(
            code="bad-duration",
            what=f"{since} is not kept",
            why="decisions are kept for 30 days",
            fix="write for example --since 7d",
        )
    query: dict[str, str | int] = {"seconds": seconds, "limit": limit}
    if service is not None:
        query["service"] = str(service)
    shape = admin.server(socket).get("/v1/traffic", TrafficShape, **query)
    found: dict[DecisionKind, Tally] = {}
    for one in shape.decisions:
        add(found, *decision_of(one))
    for loss in shape.losses:
        if loss.dropped:
            note(f"note: {loss.node} lost count of {loss.dropped} requests: its disk was full, or it told too much")
    if shape.more:
        note(f"note: only the {limit} kinds of request with most requests are looked at; ask for a shorter time")
    return Observed(found, shape)


def who(state: DesiredState | None, caller: SpiffeId | None) -> str:
    if caller is None:
        return "without one SPIFFE ID"
    services = state.services.values() if state else ()
    return next((str(one.name) for one in services if one.spiffe_id == caller), str(caller))
