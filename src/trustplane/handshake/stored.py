"""A reported failure as it is kept: recognised, and of a kind that is counted by the hour.

Every part of a kind is well formed or empty, whatever a peer claimed: kinds are columns, labels and file names.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from trustplane.fault import Refused
from trustplane.handshake.diagnosis import likeliest
from trustplane.handshake.failure import MAX_FIELD, Failure, Side
from trustplane.handshake.recognise import recognise
from trustplane.handshake.refusal import Refusal, refusal_of
from trustplane.handshake.reported import Reported
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName

_KEY = re.compile(r"[0-9a-f]{0,64}")
MOST_PEER = MAX_FIELD - 1  # what is longer may have been cut, and then names somebody else


@dataclass(frozen=True, slots=True)
class FailureKind:
    """Failures that are counted together. `cause` is what this side's record alone makes likeliest; `peer` is whom the
    other side's certificate claimed, `issuer` the key that certificate says it was signed with, `own_issuer`
    likewise of this side's. Empty: not known, or not well formed."""

    service: ServiceName
    node: NodeName
    side: Side
    signature: str
    cause: str
    rejecter: Side | None = None
    peer: str = ""
    issuer: str = ""
    own_issuer: str = ""
    build: str = ""
    tls: str = ""
    bundle: str = ""
    revision: int = 0

    id: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """No value of a kind contains a line break."""
        sides = self.side.value, self.rejecter.value if self.rejecter else ""
        rest = (self.signature, self.cause, self.peer, self.issuer, self.own_issuer, self.build, self.tls, self.bundle)
        text = "\n".join((str(self.service), str(self.node), *sides, *rest, str(self.revision)))
        object.__setattr__(self, "id", hashlib.sha256(text.encode()).digest()[:16])

    def without_peer(self) -> FailureKind:
        """What callers make up."""
        return replace(self, peer="", issuer="")


@dataclass(frozen=True, slots=True)
class Stored:
    node: NodeName
    reported: Reported
    kind: FailureKind
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Counted:
    count: int
    first: datetime
    last: datetime


def to_diagnose(one: Stored) -> Failure:
    """With whose proxy wrote it."""
    writer = f"{one.reported.service} on {one.node}"
    return replace(one.reported.failure, writer=writer, node=str(one.node), bundle=one.reported.held.bundle)


def stored(node: NodeName, reported: Reported) -> Stored:
    failure = reported.failure
    recognised = recognise(failure)
    refusal = refusal_of(recognised)
    kind = FailureKind(
        service=reported.service,
        node=node,
        side=reported.side,
        signature=recognised.signature.id,
        cause=likeliest(recognised),
        rejecter=refusal.rejecter,
        peer=well_formed(failure.theirs.spiffe_id),
        issuer=_key(failure.theirs.issuer_key),
        own_issuer=_key(failure.ours.issuer_key),
        build=".".join(map(str, failure.build)),
        tls=failure.tls.value if failure.tls else "",
        bundle=reported.held.bundle,
        revision=reported.held.revision,
    )
    return Stored(node, reported, kind, refusal)


def well_formed(claimed: str) -> str:
    try:
        return str(SpiffeId.parse(claimed)) if len(claimed) <= MOST_PEER else ""
    except Refused:
        return ""


def _key(claimed: str) -> str:
    return claimed if _KEY.fullmatch(claimed) else ""
