"""The part of a store that knows proposals; whoever has the store has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from trustplane.people.proposal import Proposal
from trustplane.store import proposals
from trustplane.store.database import Database
from trustplane.store.proposals import NoteOf


class StoredProposals:
    _database: Database

    async def add_proposal(self, proposal: Proposal, note: NoteOf, at: datetime) -> Proposal:
        """Numbered, with `note` of it in the audit log. Refused as `too-many-proposals`."""
        return await self._database.write(lambda to: proposals.add(to, proposal, note, at))

    async def move_proposal(self, proposal: Proposal, bodies: Sequence[bytes], at: datetime) -> bool:
        """With these words in the audit log; one version further than it was read, or False and nothing is written."""
        return await self._database.write(lambda to: proposals.move(to, proposal, bodies, at))

    async def proposal(self, number: int) -> Proposal | None:
        return await self._database.read(lambda at: proposals.get(at, number))

    async def open_proposals(self) -> Sequence[Proposal]:
        """Proposed or approved, the oldest first; those whose time is over too, until it is written down."""
        return await self._database.read(proposals.not_over)

    async def newest_proposals(self, limit: int) -> Sequence[Proposal]:
        return await self._database.read(lambda at: proposals.newest(at, limit))
