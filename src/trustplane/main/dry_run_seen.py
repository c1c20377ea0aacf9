"""What the server knows of sidecars that judge by a candidate; satisfies `flows.desired.try_candidates.Seen`."""

from __future__ import annotations

from trustplane.flows.desired.connected_agents import ConnectedAgents
from trustplane.flows.desired.share_presence import SharePresence
from trustplane.store.store import Store
from trustplane.verdict.coverage import Fleet
from trustplane.verdict.dry_run import DryRun
from trustplane.verdict.dry_run_report import Judgements

MOST_KINDS = 50_000


class SeenOfDryRun:
    def __init__(self, store: Store, connected: ConnectedAgents, presence: SharePresence) -> None:
        self._store = store
        self._connected = connected
        self._presence = presence

    async def fleet(self) -> Fleet:
        elsewhere = (await self._presence.attendance()).connected
        here = self._connected.skews()
        return Fleet(await self._store.hosting(), await self._store.holdings(), {*elsewhere, *here})

    async def judged_by(self, run: DryRun) -> Judgements:
        found = await self._store.decisions(run.started_at, None, run.id, MOST_KINDS + 1)
        lost = await self._store.lost_in_dry_run(run)
        return Judgements(dict(found[:MOST_KINDS]), len(found) <= MOST_KINDS, lost)
