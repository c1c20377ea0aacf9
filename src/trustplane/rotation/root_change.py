"""A change of root as it is remembered, and what can be known of everyone it concerns.

`RootChange` is the whole state: whoever reads it goes on with the change. `Survey` is what is proven at one instant;
what is not in it is not proven.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from trustplane.fault import Refused
from trustplane.registry.view import AGAIN
from trustplane.spiffe.names import ClusterName, NodeName
from trustplane.trust.authority import AuthorityId, AuthorityState
from trustplane.trust.partner import Rule

MAX_TEXT = 500
LONGEST_WAIVER = timedelta(days=90)
_INSTANT = "%Y%m%dT%H%M%S.%fZ"


class Phase(Enum):
    PREPARE = "prepare"
    PUBLISH = "publish"
    VERIFY = "verify"
    SWITCH = "switch"
    DRAIN = "drain"
    RETIRE = "retire"
    VERIFY_AGAIN = "verify-again"
    DONE = "done"
    ABORTED = "aborted"

    @property
    def is_over(self) -> bool:
        return self in {Phase.DONE, Phase.ABORTED}


class ParticipantKind(Enum):
    """Who verifies certificates of this trust domain; in a waiver also a cluster, for those of it that are away.

    A link is a caller and a callee that were seen to have a connection.
    """

    SERVER = "server"
    AGENT = "agent"
    SIDECAR = "sidecar"
    ENVOY = "envoy"
    WORKLOAD = "workload"
    CLUSTER = "cluster"
    DOMAIN = "domain"  # another trust domain, as one: who is behind in it is its own to know
    LINK = "link"


_KINDS = frozenset(kind.value for kind in ParticipantKind)


@dataclass(frozen=True, slots=True, order=True)
class Participant:
    """Shown, and named in a waiver, as `sidecar shop/web on node-a`."""

    name: str

    def __post_init__(self) -> None:
        words = self.name.split(" ")
        if len(words) < 2 or words[0] not in _KINDS or not all(words) or len(self.name) > MAX_TEXT:
            raise Refused(
                code="bad-participant",
                what=f"{self.name!r:.100} names no participant",
                why=f"a participant is named by its kind ({', '.join(sorted(_KINDS))}), its name, and its node",
                fix="copy it as trustplane rotate status shows it, in quotes",
            )

    def __str__(self) -> str:
        return self.name

    @property
    def kind(self) -> ParticipantKind:
        return ParticipantKind(self.name.partition(" ")[0])


@dataclass(frozen=True, slots=True)
class Waiver:
    """Until it ends, the change does not wait for that participant."""

    participant: Participant
    reason: str
    owner: str
    by: str
    at: datetime
    until: datetime

    def __post_init__(self) -> None:
        if not self.reason.strip() or not self.owner.strip() or max(len(self.reason), len(self.owner)) > MAX_TEXT:
            raise Refused(
                code="bad-waiver",
                what=f"the waiver of {self.participant} has no reason or no owner, or one that is too long",
                why=f"who excuses a participant answers for what breaks there; both have 1 to {MAX_TEXT} characters",
                fix="give --reason and --owner",
            )
        if not self.at < self.until <= self.at + LONGEST_WAIVER:
            raise Refused(
                code="bad-waiver-end",
                what=f"the waiver of {self.participant} is to end at {self.until:%Y-%m-%d %H:%M:%S} UTC",
                why=f"a waiver ends, at most {LONGEST_WAIVER.days} days from now",
                fix="give --until a later day, for example a week from now",
            )

    def is_in_force(self, at: datetime) -> bool:
        return at < self.until


@dataclass(frozen=True, slots=True)
class Seen:
    """What is proven of one participant: the roots it trusts, those it let a probe in by, those behind its identity.

    `accepts` is None where no probe can be made, or none was judged. `remade`: the orders to make connections anew
    after which it has shown that none of before is left; None where nobody measures its connections, so that only their
    age ends them. `since` is when it last said something else than before. It is away when its node's agent, or the
    server itself, is not there to say anything. `doubt`: how what was seen of it contradicts what it says. `takes`:
    nothing but time shows that it holds a newer bundle, and so much of it is given. `told`: what is known of another
    trust domain.
    """

    participant: Participant
    trusts: frozenset[AuthorityId]
    accepts: frozenset[AuthorityId] | None
    shows: frozenset[AuthorityId]
    since: datetime | None
    is_away: bool = False
    refusal: str = ""
    cluster: ClusterName | None = None
    away_since: datetime | None = None
    doubt: str = ""
    rule: Rule | None = None  # of another trust domain, and of nobody else
    takes: timedelta | None = None
    told: str = ""
    remade: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class LinkBelow:
    """A connection in use, by the certificate that one `side` of it showed. `since`: it is seen, or is not any more."""

    participant: Participant
    side: str
    issuer: str  # the serial number of the certificate that signed it
    root: AuthorityId | None
    node: NodeName  # that saw it
    since: datetime
    is_seen: bool = True


@dataclass(frozen=True, slots=True)
class Survey:
    """What is proven now. `last_leaf`: when the last leaf below a root ends, as far as one was issued.

    `are_issuers_ready`: below which roots every server has an issuing authority, ready to sign. `are_all_measured`:
    every service has a sidecar, so that no connection is made that no sidecar knows of.
    """

    roots: Mapping[AuthorityId, AuthorityState]
    are_issuers_ready: frozenset[AuthorityId]
    seen: tuple[Seen, ...]
    last_leaf: Mapping[AuthorityId, datetime]
    longest_connection: timedelta
    are_all_measured: bool = False
    links: tuple[LinkBelow, ...] = ()


@dataclass(frozen=True, slots=True)
class RootChange:
    """`leaving` signs at first, `coming` at the end; going back exchanges the two. `since`: of this phase.

    `version` counts what was written of it, so that of two who act at once one is refused.
    """

    number: int
    leaving: AuthorityId
    coming: AuthorityId | None
    phase: Phase
    since: datetime
    started_at: datetime
    by: str
    reason: str
    is_emergency: bool = False
    is_paused: bool = False
    is_going_back: bool = False
    replaced_at: datetime | None = None  # from when on nobody showed a leaf below the leaving root
    last_leaf: datetime | None = None  # when the last of those ends
    remade_from: datetime | None = None  # when everyone was told to make connections anew: nobody had such a leaf then
    remade_again: datetime | None = None  # when that was told for the last time, if more than once
    waivers: tuple[Waiver, ...] = ()
    version: int = 0
    published_at: datetime | None = None  # from when on the new root was in every bundle
    left_at: datetime | None = None  # from when on the leaving one was in none

    @property
    def remake(self) -> str:
        """The order to make connections anew, as it is told and proven; empty while there is none."""
        return f"{self.number}/{self.remade_from:{_INSTANT}}" if self.remade_from else ""

    @property
    def told(self) -> str:
        """That order as nodes are told it: each repetition makes connections anew once more, and proves the same."""
        return f"{self.remake}{AGAIN}{self.remade_again:{_INSTANT}}" if self.remade_again else self.remake

    def waived(self, at: datetime) -> frozenset[Participant]:
        return frozenset(one.participant for one in self.waivers if one.is_in_force(at))


def under_way(number: int) -> Refused:
    return Refused(
        code="rotation-under-way",
        what=f"change of root {number} was started already",
        why="one root is changed at a time: everyone waits for the same things",
        fix="trustplane rotate status shows how far it is",
    )


def begun(number: int, root: AuthorityId, order: Order, at: datetime) -> RootChange:
    """A change away from this root."""
    return RootChange(
        number=number,
        leaving=root,
        coming=None,
        phase=Phase.PREPARE,
        since=at,
        started_at=at,
        by=order.by,
        reason=order.reason,
        is_emergency=order.is_emergency,
    )


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator says when starting a change."""

    by: str
    reason: str
    is_emergency: bool = False

    def __post_init__(self) -> None:
        if not self.reason.strip() or len(self.reason) > MAX_TEXT:
            raise Refused(
                code="bad-rotation-reason",
                what="a change of root was asked for without a reason, or with too long a one",
                why=f"whoever reads the audit log must learn why; 1 to {MAX_TEXT} characters",
                fix='give --reason, for example --reason "yearly rotation"',
            )
