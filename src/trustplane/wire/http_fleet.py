"""What many failures have in common, as a body: the ranking of a server's failures, and of a log's."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from trustplane.flows.records.compare_failures import Compared, CompareFailures
from trustplane.handshake.fleet.ranking import Finding, Ranking
from trustplane.wire.http_routes import Access, Call, Number, Operation
from trustplane.wire.http_shapes import Answer

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=7)


class FleetValueShape(Answer, frozen=True, kw_only=True):
    dimension: str
    value: str


class FleetFindingShape(Answer, frozen=True, kw_only=True):
    """`chance` is the probability that luck alone does as much in any of the comparisons made."""

    values: tuple[FleetValueShape, ...]
    since: tuple[str, ...]
    failures: int
    of_failures: int
    expected: float
    links: int
    failing_links: int
    of_failing_links: int
    share_of_failing: float
    share_of_links: float
    lift: float
    chance: float
    causes: dict[str, int]
    nearly: tuple[FleetValueShape, ...]


class FleetChangeShape(Answer, frozen=True, kw_only=True):
    """What began in the time looked at, or before it and had not ended; compared with the failures."""

    name: str
    started: datetime
    ended: datetime | None


class FleetShape(Answer, frozen=True, kw_only=True):
    findings: tuple[FleetFindingShape, ...]
    failures: int
    failing_links: int
    links: int
    comparisons: int
    unexplained_links: int
    why_not_more: str
    left_out: int
    since: datetime | None = None
    until: datetime | None = None
    changes: tuple[FleetChangeShape, ...] = ()


def fleet_shape(ranking: Ranking, left_out: int, compared: Compared | None = None) -> FleetShape:
    """`left_out`: records that were too many. Of logs, nothing is `compared` by time."""
    changes = compared.changes if compared else ()
    return FleetShape(
        findings=tuple(map(_shape, ranking.findings)),
        failures=ranking.failures,
        failing_links=ranking.failing,
        links=ranking.subjects,
        comparisons=ranking.comparisons,
        unexplained_links=ranking.unexplained,
        why_not_more=ranking.silence,
        left_out=left_out,
        since=compared.since if compared else None,
        until=compared.until if compared else None,
        changes=tuple(FleetChangeShape(name=one.value, started=one.started, ended=one.ended) for one in changes),
    )


def _shape(one: Finding) -> FleetFindingShape:
    return FleetFindingShape(
        values=tuple(FleetValueShape(dimension=name[0], value=name[1]) for name in one.values),
        since=one.since,
        failures=one.failures,
        of_failures=one.of_failures,
        expected=round(one.expected, 1),
        links=one.exposed,
        failing_links=one.failing,
        of_failing_links=one.of_failing,
        share_of_failing=round(one.share_of_failures, 4),
        share_of_links=round(one.share_of_exposure, 4),
        lift=round(one.lift, 2),
        chance=one.chance,
        causes=dict(one.causes),
        nearly=tuple(FleetValueShape(dimension=name[0], value=name[1]) for name in one.nearly),
    )


class Door(Protocol):
    def comparing(self) -> CompareFailures: ...


def fleet_operation(door: Door) -> Operation:
    least, most = int(SHORTEST.total_seconds()), int(LONGEST.total_seconds())
    asked = (Number("seconds", 3600, least, most, "of the failures since so long ago"),)
    what = "what failed handshakes have in common, against the links that worked"
    run = FleetAnswers(door).fleet
    return Operation("GET", "/v1/handshakes/fleet", "handshakes_fleet", what, Access.READ, FleetShape, run, asked)


class FleetAnswers:
    def __init__(self, door: Door) -> None:
        self._comparing = door.comparing()

    async def fleet(self, call: Call) -> FleetShape:
        found = await self._comparing.compare(timedelta(seconds=call.number("seconds")))
        return fleet_shape(found.ranking, found.left_out, found)
