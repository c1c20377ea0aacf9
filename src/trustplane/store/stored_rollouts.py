"""The part of a store that knows rollouts and deploy tokens; whoever has the store has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from trustplane.change.deploy_token import DeployToken
from trustplane.change.rollout import Rollout
from trustplane.store import rollouts
from trustplane.store.database import Database


class StoredRollouts:
    _database: Database

    async def add_deploy_token(self, token: DeployToken) -> None:
        """Refused as `deploy-token-exists` or `too-many-deploy-tokens`. One that expired gives way."""
        await self._database.write(lambda to: rollouts.add_token(to, token))

    async def drop_deploy_token(self, name: str) -> None:
        """Refused as `deploy-token-unknown`."""
        await self._database.write(lambda to: rollouts.drop_token(to, name))

    async def deploy_tokens(self) -> Sequence[DeployToken]:
        """By name; expired ones too, until another is made."""
        return await self._database.read(rollouts.tokens)

    async def deploy_token(self, token_sha256: bytes) -> DeployToken | None:
        return await self._database.read(lambda at: rollouts.token(at, token_sha256))

    async def tell_rollout(self, rollout: Rollout, at: datetime) -> tuple[Rollout, bool]:
        """As it is kept now, and whether that is new.

        Refused as `rollout-differs` if it was told otherwise, `too-many-rollouts` when there were too many in an hour.
        """
        return await self._database.write(lambda to: rollouts.tell(to, rollout, at))

    async def rollouts(self, since: datetime, limit: int) -> Sequence[Rollout]:
        """Those that started or ended since then, the newest first."""
        return await self._database.read(lambda at: rollouts.since(at, since, limit))
