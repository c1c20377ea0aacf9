"""Bodies about rollouts, and about the tokens of deploy systems. A token's text goes out once, and never comes in."""

from __future__ import annotations

from datetime import datetime

from trustplane.wire.http_shapes import Answer, Request


class RolloutRequest(Request, frozen=True, kw_only=True):
    reference: str
    version: str
    started: datetime
    ended: datetime | None = None
    services: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()


class RolloutShape(Answer, frozen=True, kw_only=True):
    told_by: str
    reference: str
    version: str
    services: tuple[str, ...]
    nodes: tuple[str, ...]
    started: datetime
    ended: datetime | None


class ToldShape(RolloutShape, frozen=True, kw_only=True):
    """`is_new` is false for what was told before. Unknown ones are kept all the same."""

    is_new: bool
    unknown_services: tuple[str, ...]
    unknown_nodes: tuple[str, ...]


class RolloutsShape(Answer, frozen=True, kw_only=True):
    rollouts: tuple[RolloutShape, ...]


class DeployTokenRequest(Request, frozen=True, kw_only=True):
    name: str
    seconds: int


class DeployTokenShape(Answer, frozen=True, kw_only=True):
    name: str
    created_by: str
    created_at: datetime
    expires_at: datetime


class FreshDeployTokenShape(DeployTokenShape, frozen=True, kw_only=True):
    token: str


class DeployTokensShape(Answer, frozen=True, kw_only=True):
    tokens: tuple[DeployTokenShape, ...]
