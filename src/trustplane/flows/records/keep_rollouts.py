"""Rollouts as deploy systems tell of them, and the tokens by which they may."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.audit import rollout_events as events
from trustplane.change.deploy_token import PREFIX, DeployToken
from trustplane.change.rollout import Rollout, Told
from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.registry.records import Agent
from trustplane.spiffe.names import ServiceName

MAX_TOKEN_CHARACTERS = 200


class Records(Protocol):
    async def add_deploy_token(self, token: DeployToken) -> None:
        """Refused as `deploy-token-exists` or `too-many-deploy-tokens`. One that expired gives way."""
        ...

    async def drop_deploy_token(self, name: str) -> None:
        """Refused as `deploy-token-unknown`."""
        ...

    async def deploy_tokens(self) -> Sequence[DeployToken]: ...

    async def deploy_token(self, token_sha256: bytes) -> DeployToken | None: ...

    async def tell_rollout(self, rollout: Rollout, at: datetime) -> tuple[Rollout, bool]:
        """As it is kept now, and whether that is new. Refused as `rollout-differs`."""
        ...

    async def rollouts(self, since: datetime, limit: int) -> Sequence[Rollout]:
        """Those that started or ended since then, the newest first."""
        ...

    async def agents(self) -> Sequence[Agent]: ...

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


@dataclass(frozen=True, slots=True)
class FreshDeployToken:
    """Shown once."""

    token: DeployToken
    text: str


class KeepRollouts:
    def __init__(self, records: Records, services: Callable[[], Collection[ServiceName]], clock: Clock) -> None:
        self._records = records
        self._services = services
        self._clock = clock

    async def create_token(self, name: str, life: timedelta, by: str) -> FreshDeployToken:
        text, at = PREFIX + secrets.token_urlsafe(32), self._clock.now()
        token = DeployToken(name, _digest(text), by, at, at + life)
        await self._records.append_audit([events.deploy_token("create", name, by, at)], at)
        await self._records.add_deploy_token(token)
        return FreshDeployToken(token, text)

    async def revoke_token(self, name: str, by: str) -> None:
        at = self._clock.now()
        await self._records.append_audit([events.deploy_token("revoke", name[:MAX_TOKEN_CHARACTERS], by, at)], at)
        await self._records.drop_deploy_token(name)

    async def tokens(self) -> Sequence[DeployToken]:
        return await self._records.deploy_tokens()

    async def who(self, token: str) -> str:
        """The deploy system whose token this is."""
        found = None
        if token.startswith(PREFIX) and len(token) <= MAX_TOKEN_CHARACTERS:
            found = await self._records.deploy_token(_digest(token))
        if found is None or self._clock.now() >= found.expires_at:
            raise Refused(
                code="bad-deploy-token",
                what="the bearer token is none by which rollouts are told",
                why="it was never made, was taken back, or has expired",
                fix="make one on the server: trustplane rollouts token create NAME",
            )
        return found.name

    async def tell(self, rollout: Rollout) -> Told:
        at = self._clock.now()
        rollout.check_told_at(at)
        kept, is_new = await self._records.tell_rollout(rollout, at)
        if is_new:
            body = events.rollout_told(kept.told_by, kept.reference, kept.version, at)
            await self._records.append_audit([body], at)
        nodes = {one.node for one in await self._records.agents()}
        return Told(
            kept,
            is_new,
            tuple(sorted(kept.services.difference(self._services()))),
            tuple(sorted(kept.nodes - nodes)),
        )

    async def told(self, since: timedelta, limit: int) -> Sequence[Rollout]:
        return await self._records.rollouts(self._clock.now() - since, limit)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
