"""Bodies about proposals."""

from __future__ import annotations

from datetime import datetime

from trustplane.wire.http_shapes import Answer, Request


class ApprovalRequest(Request, frozen=True, kw_only=True):
    """`account` is an approver's, which `password` proves; `digest` is of the proposal that was read."""

    account: str
    password: str
    digest: str
    word: str


class RefusalRequest(Request, frozen=True, kw_only=True):
    word: str


class ProposalShape(Answer, frozen=True, kw_only=True):
    """`words` say what will happen, `state` what it was judged against. `told`: what came of it."""

    number: int
    act: str
    terms: dict[str, str]
    state: dict[str, str]
    words: tuple[str, ...]
    plan: str
    digest: str
    phase: str
    by: str
    why: str
    at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    word: str
    ended_at: datetime | None
    told: str
    glass_broken: bool


class ProposalsShape(Answer, frozen=True, kw_only=True):
    """`required`: acts that this server only proposes, whoever asks for them."""

    now: datetime
    required: tuple[str, ...]
    proposals: tuple[ProposalShape, ...]
