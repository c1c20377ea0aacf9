"""Bodies about a candidate that is tried on live traffic."""

from __future__ import annotations

from datetime import datetime

from trustplane.wire.http_shapes import Answer, AppliedShape, Request


class DryRunRequest(Request, frozen=True, kw_only=True):
    """A trust repository as it lies on disk: path inside it -> text."""

    files: dict[str, str]
    lasting_seconds: float = 7 * 86400.0


class PromotionRequest(Request, frozen=True, kw_only=True):
    """`digest`: of the files that are meant; empty: whatever was tried. `expected`: as `--expect` takes it."""

    after_seconds: float = 86400.0
    least: int = 1
    expected: tuple[str, ...] = ()
    digest: str = ""
    only_check: bool = False


class DryRunEndShape(Answer, frozen=True, kw_only=True):
    how: str
    at: datetime
    by: str


class CoveredShape(Answer, frozen=True, kw_only=True):
    """`state` is judges, behind, refused or silent; `away`: its agent is connected to no server."""

    service: str
    node: str
    state: str
    since: datetime | None
    refusal: str
    away: bool


class DifferenceShape(Answer, frozen=True, kw_only=True):
    """`caller` none: a certificate without one SPIFFE ID; `caller_service` none: no service of ours.

    `before` and `after` none: no rule, which denies.
    """

    service: str
    operation: str | None
    caller: str | None
    caller_service: str | None
    request: str
    before: str | None
    after: str | None
    count: int
    first: datetime
    last: datetime
    sample: str | None  # x-request-id


class ExerciseShape(Answer, frozen=True, kw_only=True):
    service: str
    operation: str
    count: int


class DryRunShape(Answer, frozen=True, kw_only=True):
    """Of differences the most frequent; `more` were left out. `lost`: requests that nodes could not count, some of them
    perhaps before it was started. Not `whole`: the rarest kinds were not looked at."""

    now: datetime
    id: str
    digest: str
    by: str
    started_at: datetime
    ends_at: datetime
    against: int
    ended: DryRunEndShape | None
    sidecars: tuple[CoveredShape, ...]
    without_sidecar: tuple[str, ...]
    judged: int
    newly_denied: tuple[DifferenceShape, ...]
    newly_allowed: tuple[DifferenceShape, ...]
    exercised: tuple[ExerciseShape, ...]
    more: int
    lost: int = 0
    whole: bool = True


class PromotionShape(Answer, frozen=True, kw_only=True):
    """`applied` is none where it was only checked."""

    id: str
    applied: AppliedShape | None
