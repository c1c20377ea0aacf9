"""The bodies about other trust domains; what `wire.http_shapes` says of bodies holds for these too."""

from __future__ import annotations

from datetime import datetime

from trustplane.wire.http_shapes import Answer, FindingShape


class HolderShape(Answer, frozen=True, kw_only=True):
    """Who holds another trust domain's bundle, or should, or may still."""

    node: str
    participant: str
    state: str


class PeerShape(Answer, frozen=True, kw_only=True):
    """A trust domain that is federated with; ended when it has no endpoint."""

    trust_domain: str
    endpoint: str | None
    profile: str | None
    endpoint_id: str | None
    accepts: tuple[str, ...]
    sequence: str | None
    digest: str | None
    x509_authorities: int
    jwt_authorities: int
    taken_at: datetime | None
    asked_at: datetime | None
    next_at: datetime | None
    ended_at: datetime | None
    failure: FindingShape | None
    failing_since: datetime | None
    holders: tuple[HolderShape, ...]
    believed_by: str | None  # how it is known whether it holds our bundle: statement, time, or unknown yet
    shows: str | None  # of our bundle, in words


class FederationStoryShape(Answer, frozen=True, kw_only=True):
    """For people: Markdown, and an SVG picture of the same."""

    markdown: str
    svg: str


class FederationShape(Answer, frozen=True, kw_only=True):
    """Our own bundle as others fetch it, and theirs as they are held here."""

    trust_domain: str
    now: datetime
    digest: str
    sequence: int
    refresh_hint_seconds: float
    publish_before_use_seconds: float
    peers: tuple[PeerShape, ...]
