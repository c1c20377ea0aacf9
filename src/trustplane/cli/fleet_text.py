"""What failures have in common, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trustplane.handshake.causes import CAUSES
from trustplane.handshake.fleet.words import Headline, links_line, named
from trustplane.wire.http_fleet import FleetFindingShape, FleetShape, FleetValueShape

SHOWN = 6  # of values that cannot be told apart


def fleet_text(found: FleetShape) -> str:
    parts = ["\n".join(_finding(one)) for one in found.findings]
    if found.why_not_more:
        left = f"{found.unexplained_links} of {found.failing_links} links that fail are left unexplained"
        none = f"nothing is claimed of {_many(found.failures, 'failure')} on {_many(found.failing_links, 'link')}"
        parts.append(f"{left if found.findings else none}: {found.why_not_more}")
    return "\n\n".join(parts)


def _finding(one: FleetFindingShape) -> Iterator[str]:
    first = one.values[0].dimension, one.values[0].value
    yield str(Headline(one.failures, one.of_failures, first, one.since, one.expected, one.chance))
    sizes = (one.failing_links, one.of_failing_links, one.links, one.share_of_links, one.lift)
    yield from _labelled("links", [links_line(*sizes)])
    known = [f"{count} {cause}: {CAUSES[cause].meaning}" for cause, count in one.causes.items() if cause in CAUSES]
    yield from _labelled("cause", known[:3])
    same = [_named(name) for name in one.values[1:] if name.value not in one.since]
    more = [f"and {len(same) - SHOWN} more; --json has all"] if len(same) > SHOWN else []
    yield from _labelled("same links", [*same[:SHOWN], *more])
    if same:
        yield from _labelled("", ["these cannot be told apart: a link that has one and not the other would"])
    yield from _labelled("nearly", [f"{_named(name)} explains it almost as well" for name in one.nearly])


def _named(one: FleetValueShape) -> str:
    return named((one.dimension, one.value))


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"  {label if number == 0 else '':<10}  {line}".replace("\n", " ").rstrip()
