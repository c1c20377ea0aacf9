"""Proposals over the admin socket, and what becomes of an act there that needs an approval.

Names said at the socket are not proven, so nobody approves by one: an approver's account and password do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote

import msgspec

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.people.account import Account, require_approver
from trustplane.people.person import Person
from trustplane.people.proposal import Proposal, word_of
from trustplane.people.proposed_act import MAX_TEXT, Act, ActKind
from trustplane.wire import http_proposal_shapes as shapes
from trustplane.wire.http_faults import encode
from trustplane.wire.http_routes import Access, Call, Number, Operation, Raw

GLASS_HEADER = "trustplane-break-glass"
AT_THE_SOCKET = "the admin socket"
_MOST_DIGITS = 10


class ProposalsPort(Protocol):
    @property
    def required(self) -> frozenset[ActKind]: ...

    async def propose(self, act: Act, by: Person, why: str) -> Proposal: ...

    async def approve(self, number: int, digest: str, by: Person, word: str) -> Proposal: ...

    async def refuse(self, number: int, by: Person, word: str) -> Proposal: ...

    async def withdraw(self, number: int, by: Person) -> Proposal: ...

    def broken_glass(self, act: Act, by: Person, why: str) -> AbstractAsyncContextManager[None]: ...

    async def one(self, number: int) -> Proposal: ...

    async def newest(self, limit: int) -> Sequence[Proposal]: ...


class Proving(Protocol):
    async def prove(self, name: str, password: str, address: str) -> Account:
        """Refused as `sign-in-failed`, Unavailable as `too-many-sign-ins`."""
        ...


class Approvals:
    """Stands before each act that may need an approval."""

    def __init__(self, proposals: ProposalsPort) -> None:
        self._proposals = proposals

    async def instead(
        self, call: Call, act: Act, why: str, do: Callable[[], Awaitable[msgspec.Struct]]
    ) -> msgspec.Struct | Raw:
        """Done at once where no approval is required or the glass is broken, else proposed, and answered with 202."""
        by = Person(call.operator())
        glass = unquote(call.request.headers.get(GLASS_HEADER, "")[: 3 * MAX_TEXT])
        if glass:
            async with self._proposals.broken_glass(act, by, glass):
                return await do()
        if act.kind not in self._proposals.required:
            return await do()
        made = await self._proposals.propose(act, by, why)
        return Raw(encode(_shape(made)), "application/json", HTTPStatus.ACCEPTED)


def proposal_operations(proposals: ProposalsPort, proving: Proving, clock: Clock) -> tuple[Operation, ...]:
    to, one, socket = ProposalAnswers(proposals, proving, clock), "/v1/proposals/{number}", Access.CHANGE
    limit = (Number("limit", 50, 1, 200, "how many at most"),)
    shape, listed = shapes.ProposalShape, shapes.ProposalsShape
    approval, refusal = shapes.ApprovalRequest, shapes.RefusalRequest
    known, approving = "the newest first", "as an approver; it is done at once"
    return (
        Operation("GET", "/v1/proposals", "proposals", known, socket, listed, to.newest, limit),
        Operation("GET", one, "proposal", "what will happen, and what came of it", socket, shape, to.one),
        Operation("POST", f"{one}/approve", "approve", approving, socket, shape, to.approve, (), approval),
        Operation("POST", f"{one}/refuse", "refuse", "it is not done", socket, shape, to.refuse, (), refusal),
        Operation("POST", f"{one}/withdraw", "withdraw", "by who proposed it", socket, shape, to.withdraw),
    )


class ProposalAnswers:
    def __init__(self, proposals: ProposalsPort, proving: Proving, clock: Clock) -> None:
        self._proposals = proposals
        self._proving = proving
        self._clock = clock

    async def newest(self, call: Call) -> shapes.ProposalsShape:
        found = await self._proposals.newest(call.number("limit"))
        return shapes.ProposalsShape(
            now=self._clock.now(),
            required=tuple(sorted(one.value for one in self._proposals.required)),
            proposals=tuple(map(_shape, found)),
        )

    async def one(self, call: Call) -> shapes.ProposalShape:
        return _shape(await self._proposals.one(_number(call)))

    async def approve(self, call: Call) -> shapes.ProposalShape:
        asked = await call.body(shapes.ApprovalRequest)
        word_of(asked.word)  # before a password is tried for nothing
        account = await self._proving.prove(asked.account, asked.password, AT_THE_SOCKET)
        require_approver(account.name, account.role)
        by = Person(f"account:{account.name}", account.subject)
        return _shape(await self._proposals.approve(_number(call), asked.digest, by, asked.word))

    async def refuse(self, call: Call) -> shapes.ProposalShape:
        """Whoever holds the socket may keep something from being done."""
        asked = await call.body(shapes.RefusalRequest)
        return _shape(await self._proposals.refuse(_number(call), Person(call.operator()), asked.word))

    async def withdraw(self, call: Call) -> shapes.ProposalShape:
        return _shape(await self._proposals.withdraw(_number(call), Person(call.operator())))


def _number(call: Call) -> int:
    text = call.path("number")
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise Refused(
            code="proposal-unknown",
            what=f"{text!r:.40} is no number of a proposal",
            why="proposals are numbered from 1 on",
            fix="trustplane proposals list",
        )
    return int(text)


def _shape(one: Proposal) -> shapes.ProposalShape:
    return shapes.ProposalShape(
        number=one.number,
        act=one.act.kind.value,
        terms=dict(one.act.terms),
        state=dict(one.judged.state),
        words=one.judged.words,
        plan=one.judged.plan,
        digest=one.digest,
        phase=one.phase.value,
        by=one.by.name,
        why=one.why,
        at=one.at,
        expires_at=one.expires_at,
        decided_by=one.decided_by.name if one.decided_by else None,
        decided_at=one.decided_at,
        word=one.word,
        ended_at=one.ended_at,
        told=one.told,
        glass_broken=one.is_glass_broken,
    )
