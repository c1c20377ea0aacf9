"""What failures have in common, as people and programs read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, log10

import msgspec

from trustplane.handshake.causes import CAUSES
from trustplane.handshake.fleet.ranking import Finding, Ranking

SHOWN = 6  # of values that cannot be told apart
_LEAST = 1e-300


class ValueShape(msgspec.Struct, frozen=True):
    dimension: str
    value: str


class FindingShape(msgspec.Struct, frozen=True, kw_only=True):
    """`chance` is the probability that luck alone does as much in any of the comparisons made."""

    values: tuple[ValueShape, ...]
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
    nearly: tuple[ValueShape, ...]


class FleetShape(msgspec.Struct, frozen=True, kw_only=True):
    findings: tuple[FindingShape, ...]
    failures: int
    failing_links: int
    links: int
    comparisons: int
    unexplained_links: int
    why_not_more: str
    left_out: int


def fleet_shape(ranking: Ranking, left_out: int) -> FleetShape:
    return FleetShape(
        findings=tuple(map(_shape, ranking.findings)),
        failures=ranking.failures,
        failing_links=ranking.failing,
        links=ranking.subjects,
        comparisons=ranking.comparisons,
        unexplained_links=ranking.unexplained,
        why_not_more=ranking.silence,
        left_out=left_out,
    )


def _shape(one: Finding) -> FindingShape:
    return FindingShape(
        values=tuple(ValueShape(*name) for name in one.values),
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
        nearly=tuple(ValueShape(*name) for name in one.nearly),
    )


def fleet_text(ranking: Ranking) -> str:
    parts = ["\n".join(_finding(one)) for one in ranking.findings]
    if ranking.silence:
        left = f"{ranking.unexplained} of {ranking.failing} links that fail are left unexplained"
        none = f"nothing is claimed of {_many(ranking.failures, 'failure')} on {_many(ranking.failing, 'link')}"
        parts.append(f"{left if ranking.findings else none}: {ranking.silence}")
    return "\n\n".join(parts)


def _finding(one: Finding) -> Iterator[str]:
    every = f"All {one.failures} failures are" if one.failures == one.of_failures else _some(one)
    yield f"{every} {_named(one.values[0])}{_since(one)} (expected by chance {one.expected:.0f}; {_chance(one.chance)})"
    of_them = f"{one.failing} of {one.of_failing} that fail, {one.exposed} of all ({one.share_of_exposure:.1%})"
    yield from _labelled("links", [f"{of_them}; {one.lift:.1f} times as many as by chance"])
    yield from _labelled("cause", [f"{count} {cause}: {CAUSES[cause].meaning}" for cause, count in one.causes[:3]])
    same = [_named(name) for name in one.values[1:]]
    more = [f"and {len(same) - SHOWN} more; --json has all"] if len(same) > SHOWN else []
    yield from _labelled("same links", [*same[:SHOWN], *more])
    if same:
        yield from _labelled("", ["these cannot be told apart: a link that has one and not the other would"])
    yield from _labelled("nearly", [f"{_named(name)} explains it almost as well" for name in one.nearly])


def _some(one: Finding) -> str:
    return f"{one.failures} of {one.of_failures} failures are"


def _since(one: Finding) -> str:
    told = [one.values[0][1]] if one.values[0][0] == "change" else []
    changes = [change for change in one.since if change not in told]
    return f" since {' or '.join(changes)}" if changes else ""


def _named(name: tuple[str, str]) -> str:
    return f"since {name[1]}" if name[0] == "change" else f"{name[0]} {name[1]}"


def _chance(chance: float) -> str:
    """As a power of ten that it is below."""
    return f"p < 1e{ceil(log10(max(chance, _LEAST)) + 1e-9)}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"  {label if number == 0 else '':<10}  {line}".replace("\n", " ").rstrip()
