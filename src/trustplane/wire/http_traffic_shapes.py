"""Bodies about what proxies decided."""

from __future__ import annotations

from datetime import datetime

from trustplane.wire.http_shapes import Answer


class TrialShape(Answer, frozen=True, kw_only=True):
    """What a running candidate would have decided of the same requests."""

    candidate: str
    allowed: bool
    rule: str | None = None


class DecisionShape(Answer, frozen=True, kw_only=True):
    """Requests of one kind. `caller`: as verified; none: a certificate without exactly one SPIFFE ID.

    `path_folded`: the path is how theirs began. `rule` is none where no rule allowed them. `nearest`: for a denial, the
    permit of now that comes nearest, and what it lacks.
    """

    service: str
    caller: str | None
    caller_service: str | None
    operation: str | None
    method: str
    path: str
    path_folded: bool
    path_plain: bool
    port: int
    allowed: bool
    rule: str | None
    count: int
    first: datetime
    last: datetime
    sample: str | None
    sampled_at: datetime | None
    trial: TrialShape | None = None
    nearest: str | None = None


class LossShape(Answer, frozen=True, kw_only=True):
    """Requests that a node did not count, and those it counted under fewer paths than they had."""

    node: str
    dropped: int
    folded: int


class TrafficShape(Answer, frozen=True, kw_only=True):
    """Those with most requests first. `since` is the beginning of an hour. `more`: there are others than these."""

    now: datetime
    since: datetime
    kept_seconds: float
    decisions: tuple[DecisionShape, ...]
    losses: tuple[LossShape, ...]
    more: bool
