"""How often decisions of one kind were made, when first and last, and one of them to look up in a proxy's log.

Merging is associative and commutative, so the order in which tallies arrive does not matter. It adds: that nothing is
added twice is for `delivery` to see to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from trustplane.fault import Refused
from trustplane.verdict.decision import DecisionKind

MOST_COUNTED = 1 << 53
_REQUEST_ID = re.compile(r"[!-~]{1,64}")


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """One request, by the x-request-id that its proxies wrote."""

    at: datetime
    request_id: str

    def __post_init__(self) -> None:
        if not _REQUEST_ID.fullmatch(self.request_id):
            raise _refused(f"{self.request_id!r:.100} is no request's id", "1 to 64 characters without spaces")


@dataclass(frozen=True, slots=True)
class Tally:
    """`count` is of requests; where a log was sampled, of those that the sample stands for."""

    count: int
    first: datetime
    last: datetime
    sample: Sample | None = None

    def __post_init__(self) -> None:
        if not 0 < self.count <= MOST_COUNTED:
            raise _refused(f"{self.count} requests were counted", f"a tally has 1 to {MOST_COUNTED}")
        if self.first.tzinfo is None or self.last.tzinfo is None or self.first > self.last:
            raise _refused(f"the first is at {self.first}, the last at {self.last}", "instants have zones and an order")

    def merged(self, other: Tally) -> Tally:
        """The newest sample stays, being the likeliest to be in a log still."""
        samples = [one for one in (self.sample, other.sample) if one]
        return Tally(
            min(self.count + other.count, MOST_COUNTED),
            min(self.first, other.first),
            max(self.last, other.last),
            max(samples, default=None),
        )


Tallies: TypeAlias = Mapping[DecisionKind, Tally]


def merged(tallies: Iterable[Tallies]) -> dict[DecisionKind, Tally]:
    found: dict[DecisionKind, Tally] = {}
    for some in tallies:
        for kind, tally in some.items():
            add(found, kind, tally)
    return found


def add(to: dict[DecisionKind, Tally], kind: DecisionKind, tally: Tally) -> None:
    known = to.get(kind)
    to[kind] = tally if known is None else known.merged(tally)


def requests(of: Tallies) -> int:
    return sum(one.count for one in of.values())


def _refused(what: str, why: str) -> Refused:
    return Refused(
        code="bad-tally",
        what=what,
        why=why,
        fix="an agent counts what its proxies log; report this with the versions of agent and server",
    )
