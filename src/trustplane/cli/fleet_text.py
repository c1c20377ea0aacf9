"""What failures have in common, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, log10

from trustplane.handshake.causes import CAUSES
from trustplane.handshake.fleet.values import CHANGE
from trustplane.wire.http_fleet import FleetFindingShape, FleetShape, FleetValueShape

SHOWN = 6  # of values that cannot be told apart
_LEAST = 1e-300


def fleet_text(found: FleetShape) -> str:
    parts = ["\n".join(_finding(one)) for one in found.findings]
    if found.why_not_more:
        left = f"{found.unexplained_links} of {found.failing_links} links that fail are left unexplained"
        none = f"nothing is claimed of {_many(found.failures, 'failure')} on {_many(found.failing_links, 'link')}"
        parts.append(f"{left if found.findings else none}: {found.why_not_more}")
    return "\n\n".join(parts)


def _finding(one: FleetFindingShape) -> Iterator[str]:
    every = f"All {one.failures} failures" if one.failures == one.of_failures else _some(one)
    yield f"{every} {_have(one)}{_since(one)} (expected by chance {one.expected:.0f}; {_chance(one.chance)})"
    of_them = f"{one.failing_links} of {one.of_failing_links} that fail, {one.links} of all ({one.share_of_links:.1%})"
    yield from _labelled("links", [f"{of_them}; {one.lift:.1f} times as many as by chance"])
    known = [f"{count} {cause}: {CAUSES[cause].meaning}" for cause, count in one.causes.items() if cause in CAUSES]
    yield from _labelled("cause", known[:3])
    same = [_named(name) for name in one.values[1:] if name.value not in one.since]
    more = [f"and {len(same) - SHOWN} more; --json has all"] if len(same) > SHOWN else []
    yield from _labelled("same links", [*same[:SHOWN], *more])
    if same:
        yield from _labelled("", ["these cannot be told apart: a link that has one and not the other would"])
    yield from _labelled("nearly", [f"{_named(name)} explains it almost as well" for name in one.nearly])


def _some(one: FleetFindingShape) -> str:
    return f"{one.failures} of {one.of_failures} failures"


def _have(one: FleetFindingShape) -> str:
    first = one.values[0]
    return f"began after {first.value}" if first.value in one.since else f"are {_named(first)}"


def _since(one: FleetFindingShape) -> str:
    changes = [change for change in one.since if change != one.values[0].value]
    return f" since {' or '.join(changes)}" if changes else ""


def _named(one: FleetValueShape) -> str:
    return f"of what {one.value} changed" if one.dimension == CHANGE else f"{one.dimension} {one.value}"


def _chance(chance: float) -> str:
    """As a power of ten that it is below."""
    return f"p < 1e{ceil(log10(max(chance, _LEAST)) + 1e-9)}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"  {label if number == 0 else '':<10}  {line}".replace("\n", " ").rstrip()
