"""How a link that was seen in access logs is named among what participants hold: `link CALLER -> CALLEE`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from trustplane.registry.records import Holding
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName

LINK = "link "
SEEN, QUIET = "seen", "quiet"


class Side(Enum):
    """Whose certificate was seen: it is the other side that tells."""

    CALLER = "caller"
    CALLEE = "callee"


@dataclass(frozen=True, slots=True, order=True)
class SeenLink:
    """`issuer` is the serial number of the certificate below which the side's leaf is. `since`: last seen or told."""

    name: str
    side: str
    issuer: str
    node: NodeName
    is_seen: bool
    since: datetime


def name_of(caller: SpiffeId, callee: SpiffeId) -> str:
    return f"{LINK}{caller} -> {callee}"


def thing_of(side: Side, issuer: str) -> str:
    return f"{side.value}/{issuer}"


def links(holdings: Iterable[Holding]) -> Iterator[SeenLink]:
    for one in holdings:
        side, _, issuer = one.thing.partition("/")
        if one.participant.startswith(LINK) and side in {each.value for each in Side} and issuer:
            name = " ".join(one.participant.split())
            yield SeenLink(name, side, issuer, one.node, one.held == SEEN, one.since)
