"""What an agent delivers, at least once: how a parcel is named, and what of it is new to the server.

An agent numbers the parcels of a stream from 1, and sends one only after the parcel before it was received. So the
highest number received tells of every parcel whether it was: a repeated one, however late, adds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from trustplane.fault import Refused
from trustplane.spiffe.names import NodeName

_STREAM = re.compile(r"[0-9a-f]{16,64}")


@dataclass(frozen=True, slots=True, order=True)
class ParcelId:
    """`stream` is drawn when a spool is made, so that a node whose disk was replaced counts from 1 again."""

    node: NodeName
    stream: str
    number: int

    def __post_init__(self) -> None:
        if not _STREAM.fullmatch(self.stream) or not 0 < self.number < 1 << 63:
            raise bad_parcel(
                f"{self.stream!r:.100} number {self.number} names no parcel", "streams are hex, numbers > 0"
            )


@dataclass(frozen=True, slots=True)
class Losses:
    """Of a stream. `dropped`: not told of, as no agent was there, the disk had no room or a proxy told too much.
    `folded`: counted, but not apart."""

    dropped: int = 0
    folded: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    """`number`: the highest of the stream that is kept. `is_new`: the parcel was not there before."""

    number: int
    is_new: bool


NONE_LOST = Losses()


def is_new(parcel: ParcelId, received: Mapping[tuple[NodeName, str], int]) -> bool:
    """`received`: the highest number of each stream."""
    return parcel.number > received.get((parcel.node, parcel.stream), 0)


def bad_parcel(what: str, why: str) -> Refused:
    return Refused(code="bad-parcel", what=what, why=why, fix="report this with the versions of agent and server")
