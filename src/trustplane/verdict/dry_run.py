"""A dry run: a whole candidate repository, judged by on live traffic for a stated time, and how it ended.

It is about one revision. Once another is in force its verdicts would be compared with rules that nobody enforces any
more, and its files would undo what was applied meanwhile; so it is over then, whatever its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from trustplane.fault import Refused

LONGEST = timedelta(days=30)
SHORTEST = timedelta(minutes=1)
BY_ITSELF = "trustplane"  # who ended it where nobody did


@dataclass(frozen=True, slots=True)
class Wanted:
    """A dry run before it has its number. `against`: the revision in force."""

    files: Mapping[str, str] = field(repr=False)
    digest: str
    by: str
    at: datetime
    ends_at: datetime
    against: int

    def __post_init__(self) -> None:
        _check_length(self.at, self.ends_at)


class End(Enum):
    STOPPED = "stopped"
    APPLIED = "its files are in force"
    SUPERSEDED = "another revision was applied"
    TIME = "its time was over"


@dataclass(frozen=True, slots=True)
class Ended:
    how: End
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """`against` is the revision in force when it was started, `digest` that of its own files. `lost_before`: requests
    that nodes had failed to count by then, by node and stream of parcels."""

    number: int
    digest: str
    files: Mapping[str, str] = field(repr=False)
    started_by: str
    started_at: datetime
    ends_at: datetime
    against: int
    ended: Ended | None = None
    lost_before: Mapping[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        _check_length(self.started_at, self.ends_at)

    @property
    def id(self) -> str:
        """As proxies and their logs name the candidate."""
        return f"{self.number}-{self.digest[:8]}"

    def end(self, in_force: int, digest_in_force: str, now: datetime) -> Ended | None:
        """How it ended, if it is over: as was written down, or as follows from what is in force and the time."""
        if self.ended is not None:
            return self.ended
        if in_force != self.against:
            how = End.APPLIED if digest_in_force == self.digest else End.SUPERSEDED
            return Ended(how, now, BY_ITSELF)
        return Ended(End.TIME, self.ends_at, BY_ITSELF) if now >= self.ends_at else None


def _check_length(start: datetime, end: datetime) -> None:
    if not SHORTEST <= end - start <= LONGEST:
        raise Refused(
            code="dry-run-length",
            what=f"a dry run cannot last {end - start}",
            why="every request's verdict is taken to the server, so it ends by itself: after 1 minute to 30 days",
            fix="trustplane policy shadow start DIR --for 7d",
        )
