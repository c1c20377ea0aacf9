"""What an agent tells of handshakes: those that failed, whole, how many were completed, and what its sidecars became.

They have parcels of their own, so that whoever makes handshakes fail pushes no decision off the node's disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from trustplane.handshake.failure import Side
from trustplane.handshake.reported import MOST_TIMES, Reported
from trustplane.handshake.setup import Became
from trustplane.registry.parcels import NONE_LOST, Losses, ParcelId, bad_parcel
from trustplane.spiffe.names import ServiceName

MOST_FAILURES = 500  # of one parcel
MOST_COMPLETED = 2000
MOST_SETUPS = 2000

Completed = Mapping[tuple[ServiceName, Side], int]


@dataclass(frozen=True, slots=True)
class HandshakeParcel:
    """`losses`: failures that are not told of, and those that are counted in the `times` of one like them. `completed`:
    handshakes that were not refused, as each side counted them."""

    id: ParcelId
    since: datetime
    failures: tuple[Reported, ...] = ()
    completed: Completed = field(default_factory=dict)
    losses: Losses = NONE_LOST
    setups: tuple[Became, ...] = ()

    def __post_init__(self) -> None:
        if len(self.failures) > MOST_FAILURES:
            raise bad_parcel(f"a parcel tells of {len(self.failures)} failures", f"at most {MOST_FAILURES} fit")
        if len(self.completed) > MOST_COMPLETED or any(not 0 < one <= MOST_TIMES for one in self.completed.values()):
            raise bad_parcel("what it says of completed handshakes is no count", f"1 to {MOST_TIMES}, for each sidecar")
        if len(self.setups) > MOST_SETUPS:
            raise bad_parcel(f"a parcel tells of {len(self.setups)} sidecars' setups", f"at most {MOST_SETUPS} fit")
        if self.since.tzinfo is None:
            raise bad_parcel(f"{self.since} has no zone", "instants have zones")
