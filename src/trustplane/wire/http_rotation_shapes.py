"""Bodies about changes of root and about who holds which bundle."""

from __future__ import annotations

from datetime import datetime

from trustplane.wire.http_shapes import Answer, NewestShape, Request


class RotationRequest(Request, frozen=True, kw_only=True):
    reason: str
    emergency: bool = False


class WaiverRequest(Request, frozen=True, kw_only=True):
    participant: str
    reason: str
    owner: str
    until: datetime


class RotationWaiverShape(Answer, frozen=True, kw_only=True):
    participant: str
    reason: str
    owner: str
    by: str
    at: datetime
    until: datetime


class RotationShape(Answer, frozen=True, kw_only=True):
    """`leaving` and `coming` are roots; going back exchanges them."""

    number: int
    phase: str
    since: datetime
    started_at: datetime
    by: str
    reason: str
    emergency: bool
    paused: bool
    going_back: bool
    leaving: str
    coming: str | None
    leaves_replaced_at: datetime | None
    last_leaf_ends_at: datetime | None
    waivers: tuple[RotationWaiverShape, ...]


class WaitingShape(Answer, frozen=True, kw_only=True):
    """`code` outlives the wording of `what`. `until`: when it ends by itself."""

    code: str
    what: str
    participant: str | None
    cluster: str | None = None
    since: datetime | None
    until: datetime | None
    refusal: str | None
    away: bool
    unblock: str


class ClusterProgressShape(Answer, frozen=True, kw_only=True):
    """`name` is null for those that no cluster has. `cut_off`: all of its agents are away.

    `since`: when the last of them went away, or when it last proved something. `unblock`, if it is cut off.
    """

    name: str | None
    participants: int
    ready: int
    agents: int
    agents_away: int
    cut_off: bool
    since: datetime | None
    unblock: str | None


class PartnerRuleShape(Answer, frozen=True, kw_only=True):
    """By which rule another trust domain is waited for: `statement`, `time` where it shows none, or `unknown` yet."""

    trust_domain: str
    rule: str
    shows: str
    since: datetime | None


class UnreachedShape(Answer, frozen=True, kw_only=True):
    participant: str
    why: str


class ReadinessShape(Answer, frozen=True, kw_only=True):
    """`let_in`: sidecars that accepted this server's identity. `unreached`: those it cannot ask, which proves nothing.

    `blocking`: whom a change of root would wait for if it began now.
    """

    now: datetime
    root: str
    participants: int
    let_in: int
    blocking: tuple[WaitingShape, ...]
    unreached: tuple[UnreachedShape, ...]


class RotationStatusShape(Answer, frozen=True, kw_only=True):
    """`rotation` is the newest; `ready` of `participants` are what the phase wants them to be.

    `clusters` is empty where none is declared.
    """

    now: datetime
    rotation: RotationShape | None
    participants: int
    ready: int
    clusters: tuple[ClusterProgressShape, ...] = ()
    waiting: tuple[WaitingShape, ...]
    partners: tuple[PartnerRuleShape, ...]
    gives_up: tuple[str, ...]


class RotationPlanShape(Answer, frozen=True, kw_only=True):
    """For people: Markdown, and an SVG picture of the same."""

    phases: tuple[str, ...]
    markdown: str
    svg: str


class RotationsShape(NewestShape, frozen=True, kw_only=True):
    rotations: tuple[RotationShape, ...]


class RootShape(Answer, frozen=True, kw_only=True):
    id: str
    state: str
    not_after: datetime


class BundleHolderShape(Answer, frozen=True, kw_only=True):
    """`proven_by_probe` are roots, by the first digits of their names. `in_doubt`: `refusal` is what was seen of it."""

    participant: str
    node: str
    cluster: str | None = None
    thing: str
    desired: str
    held: str
    agrees: bool
    since: datetime
    refusal: str | None
    in_doubt: bool
    proven_by_probe: tuple[str, ...]


class LinkShape(Answer, frozen=True, kw_only=True):
    """A link seen in access logs. `shown_by`: whose certificate; `root` is null where the issuer is not ours."""

    link: str
    shown_by: str
    issuer: str
    root: str | None
    root_state: str | None
    node: str
    seen: bool
    since: datetime


class PartnerProbeShape(Answer, frozen=True, kw_only=True):
    """What a service of another trust domain made of a certificate below `root`, shown to it from `node`."""

    service: str
    node: str
    root: str  # its key identifier
    outcome: str
    refusal: str | None
    since: datetime


class BundleStatusShape(Answer, frozen=True, kw_only=True):
    """Those that differ come first. `agree` is of all of them, told of here or left off."""

    now: datetime
    digest: str
    x509_digest: str  # of the bundle without its JWT keys
    sequence: int | None
    roots: tuple[RootShape, ...]
    clusters: tuple[ClusterProgressShape, ...] = ()  # ready: who holds it, of all participants
    holders: tuple[BundleHolderShape, ...]
    holders_left_off: int = 0
    links: tuple[LinkShape, ...]
    links_left_off: int = 0
    partner_probes: tuple[PartnerProbeShape, ...] = ()
    silent: tuple[str, ...]  # participants of which nothing is known
    agree: bool
