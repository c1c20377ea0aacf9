"""What the failures of late have in common, as the page of failures shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trustplane.flows.records.compare_failures import Compared
from trustplane.handshake.causes import CAUSES
from trustplane.handshake.fleet.ranking import Finding
from trustplane.handshake.fleet.words import Headline, links_line, named

MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class InCommon:
    """One finding. `same` hold for exactly the same links, `nearly` explain it almost as well."""

    headline: str
    links: str
    causes: tuple[str, ...]
    same: tuple[str, ...]
    nearly: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """`silence` says why no more is claimed; `failing` of `links` fail."""

    findings: tuple[InCommon, ...]
    failing: int
    links: int
    unexplained: int
    silence: str


def shared(of: Compared) -> Shared:
    ranking = of.ranking
    return Shared(
        tuple(map(_in_common, ranking.findings)),
        ranking.failing,
        ranking.subjects,
        ranking.unexplained,
        ranking.silence,
    )


def _in_common(one: Finding) -> InCommon:
    return InCommon(
        str(Headline(one.failures, one.of_failures, one.values[0], one.since, one.expected, one.chance)),
        links_line(one.failing, one.of_failing, one.exposed, one.share_of_exposure, one.lift),
        tuple(_causes(one)),
        tuple(named(name) for name in one.values[1:] if name[1] not in one.since)[:MOST_NAMES],
        tuple(map(named, one.nearly)),
    )


def _causes(one: Finding) -> Iterator[str]:
    return (f"{count} {cause}: {CAUSES[cause].meaning}" for cause, count in one.causes[:3] if cause in CAUSES)
