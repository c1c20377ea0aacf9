"""What an agent tells of its proxies' decisions: a parcel a minute, delivered as `registry.parcels` says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from trustplane.registry.parcels import NONE_LOST, Losses, ParcelId, bad_parcel
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.tally import Tallies

MOST_KINDS = 2000  # of one parcel


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one node's proxies decided within a minute, and what was lost since the parcel before: requests that were
    not counted, and those counted under fewer paths than they had."""

    id: ParcelId
    since: datetime
    tallies: Tallies = field(default_factory=dict)
    losses: Losses = NONE_LOST

    def __post_init__(self) -> None:
        if len(self.tallies) > MOST_KINDS:
            raise bad_parcel(f"a parcel tells of {len(self.tallies)} kinds of decision", f"at most {MOST_KINDS} fit")
        if self.since.tzinfo is None:
            raise bad_parcel(f"{self.since} has no zone", "instants have zones")


@dataclass(frozen=True, slots=True)
class Kept:
    """`number`: the highest of the stream. `fresh`: kinds that were not there in their hour; none of a repeated one."""

    number: int
    fresh: tuple[DecisionKind, ...] = ()
