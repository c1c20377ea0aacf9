"""What an agent delivers, at least once, and what of it is new to the server.

An agent numbers its parcels from 1 in a stream of its own, and sends one only after the parcel before it was received.
So the highest number received tells of every parcel whether it was: a repeated one, however late, adds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from trustplane.fault import Refused
from trustplane.spiffe.names import NodeName
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.tally import Tallies

MOST_KINDS = 2000  # of one parcel
_STREAM = re.compile(r"[0-9a-f]{16,64}")


@dataclass(frozen=True, slots=True, order=True)
class ParcelId:
    """`stream` is drawn when a spool is made, so that a node whose disk was replaced counts from 1 again."""

    node: NodeName
    stream: str
    number: int

    def __post_init__(self) -> None:
        if not _STREAM.fullmatch(self.stream) or not 0 < self.number < 1 << 63:
            raise _refused(f"{self.stream!r:.100} number {self.number} names no parcel", "streams are hex, numbers > 0")


@dataclass(frozen=True, slots=True)
class Losses:
    """Requests of a stream that were not counted: of parcels its disk had no room for, or that a proxy did not send.

    `folded` were counted, under fewer paths than they had.
    """

    dropped: int = 0
    folded: int = 0


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one node's proxies decided within a minute, and what was lost since the parcel before."""

    id: ParcelId
    since: datetime
    tallies: Tallies = field(default_factory=dict)
    losses: Losses = Losses()

    def __post_init__(self) -> None:
        if len(self.tallies) > MOST_KINDS:
            raise _refused(f"a parcel tells of {len(self.tallies)} kinds of decision", f"at most {MOST_KINDS} fit")
        if self.since.tzinfo is None:
            raise _refused(f"{self.since} has no zone", "instants have zones")


@dataclass(frozen=True, slots=True)
class Kept:
    """`number`: the highest of the stream. `fresh`: kinds that were not there in their hour; none of a repeated one."""

    number: int
    fresh: tuple[DecisionKind, ...] = ()


def is_new(parcel: ParcelId, received: Mapping[tuple[NodeName, str], int]) -> bool:
    """`received`: the highest number of each stream."""
    return parcel.number > received.get((parcel.node, parcel.stream), 0)


def _refused(what: str, why: str) -> Refused:
    return Refused(
        code="bad-parcel",
        what=what,
        why=why,
        fix="report this with the versions of agent and server",
    )
