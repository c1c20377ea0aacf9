"""Giving a node its identity.

A node proves itself once, by a single-use join token or by possession of a certificate whose issuer the operator
named, and afterwards by the node SVID it holds. A token is spent before anything is signed: a crash in between costs a
new token, never a second node.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.audit import events
from trustplane.clock import Clock
from trustplane.fault import Fault, Refused
from trustplane.flows.issuing.issue import Issued
from trustplane.registry.records import Agent, JoinToken
from trustplane.spiffe.names import NodeName

TOKEN_PREFIX = "tpj_"  # noqa: S105 - what a token starts with, so that leaked ones can be searched for
MAX_TOKEN_LIFE = timedelta(days=7)


class Tokens(Protocol):
    async def put_join_token(self, token: JoinToken) -> None: ...

    async def redeem_join_token(self, token_sha256: bytes, at: datetime) -> JoinToken: ...


class Agents(Protocol):
    async def put_agent(self, agent: Agent) -> None: ...

    async def agent(self, node: NodeName) -> Agent | None: ...


class Journal(Protocol):
    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


class NodeIssuer(Protocol):
    async def issue_node(self, node: NodeName, csr_der: bytes, at: datetime) -> Issued | Fault: ...


@dataclass(frozen=True, slots=True)
class FreshToken:
    """Shown once; only its digest is kept."""

    text: str
    expires_at: datetime


class EnrolNodes:
    def __init__(self, tokens: Tokens, agents: Agents, journal: Journal, issuer: NodeIssuer, clock: Clock) -> None:
        self._tokens = tokens
        self._agents = agents
        self._journal = journal
        self._issuer = issuer
        self._clock = clock

    async def create_token(self, node: NodeName, life: timedelta, by: str) -> FreshToken:
        if not timedelta(seconds=1) <= life <= MAX_TOKEN_LIFE:
            raise Refused(
                code="bad-token-life",
                what=f"a join token cannot live for {life}",
                why=f"a token is a right to become a node; it lives from one second to {MAX_TOKEN_LIFE.days} days",
                fix="ask for --ttl 1h and create a new one when it has expired",
            )
        at = self._clock.now()
        text = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = JoinToken(_digest(text), node, at + life, by, at)
        await self._journal.append_audit([events.token_created(node, token.expires_at, by, at)], at)
        await self._tokens.put_join_token(token)
        return FreshToken(text, token.expires_at)

    async def with_token(self, text: str, csr_der: bytes, address: str) -> Issued:
        token = await self._tokens.redeem_join_token(_digest(text), self._clock.now())
        return await self._admit(token.node, csr_der, address, "join-token")

    async def with_certificate(self, node: NodeName, evidence: str, csr_der: bytes, address: str) -> Issued:
        """For a node whose claim was judged (`flows.issuing.readmit`), and possession of its key proved by the edge."""
        return await self._admit(node, csr_der, address, evidence)

    async def renew(self, node: NodeName, csr_der: bytes, address: str) -> Issued:
        known = await self.require(node)
        return await self._admit(node, csr_der, address, known.evidence)

    async def require(self, node: NodeName) -> Agent:
        """The agent of this node, if it may still speak for it."""
        known = await self._agents.agent(node)
        if known is None:
            raise Refused(
                code="agent-unknown",
                what=f"the agent of node {node} may not connect",
                why="no agent is enrolled for this node",
                fix=f"trustplane server token create {node}, then start the agent with that token",
            )
        if known.banned:
            raise Refused(
                code="agent-banned",
                what=f"the agent of node {node} may not connect",
                why="it was banned by an operator, and a ban is for good",
                fix="once the machine can be trusted again, give it another node name and a token for that",
            )
        return known

    async def heard_from(self, node: NodeName, address: str) -> None:
        """Its agent speaks, perhaps from another address than before: callers are to reach its sidecars there."""
        known = await self.require(node)
        if known.address != address:
            at = self._clock.now()
            await self._journal.append_audit([events.node_admitted(node, known.evidence, address, at)], at)
            await self._agents.put_agent(replace(known, address=address))

    async def _admit(self, node: NodeName, csr_der: bytes, address: str, evidence: str) -> Issued:
        at = self._clock.now()
        known = await self._agents.agent(node)
        if known and known.banned:
            await self.require(node)
        await self._journal.append_audit([events.node_admitted(node, evidence, address, at)], at)
        issued = await self._issuer.issue_node(node, csr_der, at)
        if isinstance(issued, Fault):
            raise issued
        enrolled_at = known.enrolled_at if known else at
        await self._agents.put_agent(Agent(node, address, evidence, enrolled_at, issued.serial, issued.not_after))
        return issued


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
