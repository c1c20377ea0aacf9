"""How what another trust domain's services made of a probe is told among what participants hold.

The node tells it, of services that its sidecars call: `root/<root>/<service>`. The word is the node's own, and nothing
that the other domain says is in it but how a handshake ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from trustplane.fault import Refused
from trustplane.registry.records import Holding
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName

PARTNERS = "partners"
_ROOT = "root/"


class Outcome(Enum):
    LET_IN = "let in"
    REFUSED = "refused"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class ShownProbe:
    """A certificate below `root` was shown to `callee`. `refusal`: how it refused, if it did."""

    node: NodeName
    callee: SpiffeId
    root: str  # its key identifier, as probes name it
    outcome: Outcome
    refusal: str
    since: datetime

    def holding(self) -> Holding:
        thing, held = f"{_ROOT}{self.root}/{self.callee}", self.root if self.outcome is Outcome.LET_IN else ""
        return Holding(self.node, PARTNERS, thing, self.root, held, self.refusal, self.since)


def shown_probes(holdings: Iterable[Holding]) -> Iterator[ShownProbe]:
    for one in holdings:
        root, _, callee = one.thing.removeprefix(_ROOT).partition("/")
        if one.participant != PARTNERS or not one.thing.startswith(_ROOT) or not root:
            continue
        try:
            spiffe_id = SpiffeId.parse(callee)
        except Refused:
            continue  # whatever a node calls it
        yield ShownProbe(one.node, spiffe_id, root, _outcome(one, root), one.refusal, one.since)


def _outcome(one: Holding, root: str) -> Outcome:
    if one.refusal:
        return Outcome.REFUSED
    return Outcome.LET_IN if one.held == root else Outcome.NOT_REACHED
