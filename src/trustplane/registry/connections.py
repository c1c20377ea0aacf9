"""How the connections of a service end: by age, and when trust changes.

A certificate is verified when a connection is made and never again while it is open, so how long connections last says
how long what has left is relied on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from trustplane.fault import Refused
from trustplane.registry.durations import as_written

SHORTEST, LONGEST = timedelta(seconds=5), timedelta(days=1)


class WhenTrustChanges(Enum):
    """AGE: connections end when they are old enough. DRAIN: they are made anew at once, and that is measured."""

    AGE = "age"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Connections:
    """`longest`: how old one may get; none: a quarter of a leaf's life, at most an hour."""

    longest: timedelta | None = None
    when_trust_changes: WhenTrustChanges = WhenTrustChanges.AGE

    def __post_init__(self) -> None:
        if self.longest is not None and not SHORTEST <= self.longest <= LONGEST:
            raise Refused(
                code="bad-connections",
                what=f"connections are to last {as_written(self.longest)}",
                why=f"they last between {as_written(SHORTEST)} and {as_written(LONGEST)}: each costs a handshake, and "
                "what was verified at its start is relied on until its end",
                fix="write for example connections: {longest: 10m}",
            )

    @property
    def drains(self) -> bool:
        return self.when_trust_changes is WhenTrustChanges.DRAIN


BY_AGE = Connections()
