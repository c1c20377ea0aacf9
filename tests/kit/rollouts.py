"""Rollouts and deploy tokens in memory; passes the contract suite of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from trustplane.change.deploy_token import MOST_TOKENS, DeployToken, token_exists, token_unknown, too_many_tokens
from trustplane.change.rollout import KEPT_FOR, MOST, MOST_AN_HOUR, Rollout, too_many
from trustplane.registry.records import Agent
from trustplane.spiffe.names import NodeName, ServiceName

HOUR = timedelta(hours=1)
BEGAN = datetime(2026, 11, 27, 9, tzinfo=UTC)
PAY = ServiceName("shop", "pay")


def rollout(reference: str = "pipeline/812", started: datetime = BEGAN, ended: datetime | None = None) -> Rollout:
    return Rollout("github", reference, "1.37.2", frozenset({PAY}), frozenset({NodeName("node-a")}), started, ended)


@dataclass(slots=True)
class MemoryRollouts:
    """`bodies` is the audit log."""

    enrolled: list[Agent] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    made: dict[str, DeployToken] = field(default_factory=dict)
    kept: dict[tuple[str, str], tuple[Rollout, datetime]] = field(default_factory=dict)

    async def add_deploy_token(self, token: DeployToken) -> None:
        self.made = {name: one for name, one in self.made.items() if one.expires_at > token.created_at}
        if len(self.made) >= MOST_TOKENS:
            raise too_many_tokens()
        if token.name in self.made:
            raise token_exists(token.name)
        self.made[token.name] = token

    async def drop_deploy_token(self, name: str) -> None:
        if name not in self.made:
            raise token_unknown(name)
        del self.made[name]

    async def deploy_tokens(self) -> Sequence[DeployToken]:
        return tuple(self.made[name] for name in sorted(self.made))

    async def deploy_token(self, token_sha256: bytes) -> DeployToken | None:
        return next((one for one in self.made.values() if one.token_sha256 == token_sha256), None)

    async def tell_rollout(self, rollout: Rollout, at: datetime) -> tuple[Rollout, bool]:
        key = (rollout.told_by, rollout.reference)
        if key in self.kept:
            merged = self.kept[key][0].merged(rollout)
            self.kept[key] = (merged, self.kept[key][1])
            return merged, False
        self.kept = {name: one for name, one in self.kept.items() if one[0].started >= at - KEPT_FOR}
        recent = sorted(told for (by, _), (_, told) in self.kept.items() if by == rollout.told_by and told > at - HOUR)
        if len(recent) >= MOST_AN_HOUR:
            raise too_many(recent[0] + HOUR - at)
        for _, oldest in sorted((one.started, name) for name, (one, _) in self.kept.items())[
            : len(self.kept) + 1 - MOST
        ]:
            del self.kept[oldest]
        self.kept[key] = (rollout, at)
        return rollout, True

    async def rollouts(self, since: datetime, limit: int) -> Sequence[Rollout]:
        found = [one for one, _ in self.kept.values() if max(one.started, one.ended or one.started) >= since]
        return sorted(found, key=lambda one: (-one.started.timestamp(), one.told_by, one.reference))[:limit]

    async def agents(self) -> Sequence[Agent]:
        return self.enrolled

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int:
        assert at.tzinfo is not None
        self.bodies += bodies
        return len(self.bodies) - len(bodies)
