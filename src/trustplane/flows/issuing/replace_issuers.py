"""An issuing authority taken out of use without anybody noticing: successor first, then leaves, then the cut.

One order holds throughout: nothing is refused before what takes its place is held. A successor signs when its CRL is
held everywhere, should CRLs be in use; the old authority's leaves are renewed over a while, those of every node; when
no proxy holds one any more, or a deadline passes, the old one is cut off. What is stored says how far it came, so any
replica goes on after a crash. A key in wrong hands is cut off at once, and the leaves follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

import structlog

from trustplane.audit import events
from trustplane.clock import Clock
from trustplane.fault import Refused, Unavailable
from trustplane.flows.issuing.keep_revocations import KeepRevocations
from trustplane.issuance.record import IssuedCertificate, Purpose
from trustplane.registry.records import Holding
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority, AuthorityId, AuthorityState
from trustplane.trust.revocation import RevokedIssuer

LEASE = "replace-issuers"
LEASE_LIFE = timedelta(seconds=30)
STEP = timedelta(milliseconds=500)
IDLE = timedelta(seconds=1)
UPTAKE_WITHIN = timedelta(seconds=10)
SETTLED_FOR = timedelta(seconds=2)  # connections with the old leaves are given up within it
LONGEST = timedelta(seconds=60)  # beyond the window; who has not renewed by then is away


class Records(Protocol):
    async def authorities(self) -> Sequence[Authority]: ...

    async def newest_certificates(self) -> Sequence[IssuedCertificate]: ...

    async def holdings(self) -> Sequence[Holding]: ...

    async def cut_issuer(self, authority: AuthorityId, at: datetime) -> bool: ...

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...

    async def take_lease(self, name: str, holder: str, until: datetime, at: datetime) -> bool: ...


class Authorities(Protocol):
    async def prepare_successor(self, owner: NodeName) -> None: ...

    async def replace(self, authority: Authority) -> None: ...


class Entitlements(Protocol):
    def service_on(self, node: NodeName, spiffe_id: SpiffeId) -> object | None: ...


class ReplaceIssuers:
    def __init__(
        self,
        records: Records,
        authorities: Authorities,
        keep: KeepRevocations,
        entitled: Entitlements,
        clock: Clock,
    ) -> None:
        self._records = records
        self._authorities = authorities
        self._keep = keep
        self._entitled = entitled
        self._holder = uuid4().hex  # of the lease; which replica it is does not matter
        self._clock = clock
        self._quiet_since: dict[AuthorityId, datetime] = {}
        self._log = structlog.get_logger("issuers")

    async def begin(self, authority: Authority, *, compromised: bool) -> None:
        """Returns when it signs no more; of a compromised one nothing is accepted then."""
        if authority.state is AuthorityState.ACTIVE and authority.owner is not None:
            await self._authorities.prepare_successor(authority.owner)
            await self._keep.settle()
            if not compromised:
                await self._until_held()
        await self._authorities.replace(authority)

    async def run(self) -> None:
        while True:
            leaving = [one for one in self._keep.in_force.issuers if one.cut_at is None]
            await self._clock.sleep(STEP if leaving else IDLE)
            try:
                if leaving and await self._may_act():
                    for one in leaving:
                        await self._cut_when_unused(one)
            except (Unavailable, Refused) as fault:
                self._log.warning("issuer not replaced yet", code=fault.code, what=fault.finding.what)

    async def cut_at_once(self, authority: AuthorityId) -> None:
        await self.cut(authority, await self._in_use(authority))

    async def cut(self, authority: AuthorityId, left: int) -> None:
        at = self._clock.now()
        await self._records.append_audit([events.issuer_cut(authority.hex, left, at)], at)
        await self._records.cut_issuer(authority, at)
        await self._keep.settle()
        self._log.warning("issuer cut off", authority=str(authority), leaves_left=left)

    async def _may_act(self) -> bool:
        at = self._clock.now()
        return await self._records.take_lease(LEASE, self._holder, at + LEASE_LIFE, at)

    async def _cut_when_unused(self, one: RevokedIssuer) -> None:
        authority = next((each for each in await self._records.authorities() if each.id == one.authority), None)
        if authority is None:
            return
        if authority.state is not AuthorityState.TAINTED:  # a crash came between the command and this
            await self.begin(authority, compromised=False)
            return
        at = self._clock.now()
        left = await self._in_use(one.authority)
        if left:
            self._quiet_since.pop(one.authority, None)
        elif at - self._quiet_since.setdefault(one.authority, at) >= SETTLED_FOR:
            await self.cut(one.authority, 0)
            return
        if at >= one.cause.at + self._keep.window() + LONGEST:
            await self.cut(one.authority, left)

    async def _in_use(self, authority: AuthorityId) -> int:
        """Its leaves that are still the newest of a workload that may have one, or that a proxy holds."""
        newest = [
            one
            for one in await self._records.newest_certificates()
            if one.authority == authority and one.purpose is Purpose.WORKLOAD
        ]
        own = [one for one in newest if self._entitled.service_on(one.node, one.spiffe_id)]
        return len(own) + await self._not_yet_held()

    async def _not_yet_held(self) -> int:
        """Secrets and clusters of sidecars that are on their way: what an agent offers, its proxy must have taken."""
        holdings = await self._records.holdings()
        return sum(1 for one in holdings if one.participant.startswith("sidecar ") and one.held != one.desired)

    async def _until_held(self) -> None:
        """With CRLs in use, a successor's must be held by all before its first leaf is shown."""
        if not self._keep.withdrawn.value.crls:
            return
        give_up = self._clock.now() + UPTAKE_WITHIN
        await self._clock.sleep(STEP)  # for agents to be told
        while await self._not_yet_held() and self._clock.now() < give_up:
            await self._clock.sleep(STEP)
