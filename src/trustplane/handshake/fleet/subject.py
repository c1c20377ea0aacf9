"""What could have failed and what is known of it, and the changes that may have made it fail.

A subject is what fails or not by itself: one caller's link to one callee. A link that is tried again a thousand times
has failed once, or a single client in a loop would outweigh a fleet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

# A link on which hardly anything fails is a good one: every restart ends a few connections.
FAILING_SHARE = 0.001
MAX_VALUE = 300


@dataclass(frozen=True, slots=True)
class Subject:
    """`facts` are its values by dimension; a dimension that is not known of it is absent. `attempts` is None where
    successes are not counted. `first` is when it failed first in what is looked at; before it `began` it could not."""

    name: str
    facts: Mapping[str, tuple[str, ...]]
    causes: Mapping[str, int] = field(default_factory=dict)
    attempts: int | None = None
    first: datetime | None = None
    began: datetime | None = None

    @property
    def failures(self) -> int:
        return sum(self.causes.values())

    @property
    def is_failing(self) -> bool:
        return self.failures > 0 and self.failures >= FAILING_SHARE * (self.attempts or 0)


@dataclass(frozen=True, slots=True)
class Rollout:
    """A change that began at an instant. It touches the subjects that have one of these facts; without any, all."""

    reference: str
    what: str
    started: datetime
    ended: datetime | None = None
    touches: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def value(self) -> str:
        return f"{self.what} ({self.reference})" if self.what else self.reference
