"""Which sidecars judge by a candidate, by what each acknowledged; silence is never taken for agreement."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from trustplane.registry.candidate import Candidate, Tried
from trustplane.registry.records import Holding, Hosting
from trustplane.spiffe.names import NodeName, ServiceName

NOT_GIVEN = "candidate"  # the thing by which an agent says that it could not give it to its sidecar


class Cover(Enum):
    JUDGES = "judges"
    BEHIND = "has not taken it up yet"
    REFUSED = "refused it"
    SILENT = "its agent says nothing of candidates: it may be older than they are"


@dataclass(frozen=True, slots=True, order=True)
class Covered:
    """One sidecar. `is_away`: its agent is connected to no server, so what it judged may not have arrived."""

    service: ServiceName
    node: NodeName
    cover: Cover
    since: datetime | None
    refusal: str = ""
    is_away: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of every sidecar of the services that the candidate decides otherwise about."""

    sidecars: tuple[Covered, ...]
    without_sidecar: tuple[ServiceName, ...]  # nobody can see what it would do there

    @property
    def judging(self) -> int:
        return sum(one.cover is Cover.JUDGES for one in self.sidecars)


@dataclass(frozen=True, slots=True)
class Fleet:
    hosting: Sequence[Hosting]
    holdings: Sequence[Holding]
    connected: Collection[NodeName]


def coverage(candidate: Candidate, things: Collection[str], fleet: Fleet) -> Coverage:
    """`things`: what a sidecar holds once it judges by the candidate."""
    held: dict[tuple[NodeName, str], dict[str, Holding]] = {}
    for holding in fleet.holdings:
        if holding.thing in things or holding.thing == NOT_GIVEN:
            held.setdefault((holding.node, holding.participant), {})[holding.thing] = holding
    sidecars: list[Covered] = []
    without: list[ServiceName] = []
    for tried in candidate.tried:
        found = list(_of_service(tried, candidate.known_as(tried), things, fleet, held))
        sidecars.extend(found)
        if not found:
            without.append(tried.service)
    return Coverage(tuple(sorted(sidecars, key=lambda one: (one.service, one.node))), tuple(without))


def _of_service(
    tried: Tried,
    known_as: str,
    things: Collection[str],
    fleet: Fleet,
    held: Mapping[tuple[NodeName, str], Mapping[str, Holding]],
) -> Iterator[Covered]:
    for one in fleet.hosting:
        if one.service == tried.service:
            of_it = held.get((one.node, f"sidecar {one.service}"), {})
            cover, since, refusal = _cover(of_it, known_as, things)
            yield Covered(one.service, one.node, cover, since, refusal, is_away=one.node not in fleet.connected)


def _cover(held: Mapping[str, Holding], known_as: str, things: Collection[str]) -> tuple[Cover, datetime | None, str]:
    refused = [one for one in held.values() if one.desired == known_as and one.refusal]
    if refused:
        return Cover.REFUSED, refused[0].since, refused[0].refusal
    of_filters = [held[thing] for thing in things if thing in held]
    if not of_filters:
        return Cover.SILENT, None, ""
    since = max(one.since for one in of_filters)
    judges = len(of_filters) == len(things) and all(one.held == known_as for one in of_filters)
    return (Cover.JUDGES if judges else Cover.BEHIND), since, ""
