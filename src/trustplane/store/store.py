"""Everything a server remembers, in SQLite or PostgreSQL.

A method that writes returns when what it wrote is durable. Methods may be called from any number of tasks of the event
loop the store was opened on; writes are committed in groups, reads run beside them. Whatever happens to the database
comes out as a fault, and once it is well again so is the store.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from types import TracebackType
from typing import Self

from trustplane.audit.log import AuditEntry
from trustplane.clock import Clock
from trustplane.fault import Unavailable
from trustplane.issuance.record import IssuedCertificate, RenewalFigures
from trustplane.registry.parcels import Losses
from trustplane.registry.presence import Presence, ServerLife
from trustplane.registry.records import Agent, Holding, Hosting, JoinToken, Lease, Revision
from trustplane.registry.uptake import Uptake
from trustplane.rotation.root_change import RootChange
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store import (
    audit_log,
    authorities,
    certificates,
    decisions,
    dry_runs,
    federation,
    nodes,
    partners,
    presence,
    revisions,
    revocations,
    root_changes,
    shared,
    uptake,
)
from trustplane.store.changes import Changes
from trustplane.store.database import Database
from trustplane.store.engines import Counts
from trustplane.store.stored_handshakes import StoredHandshakes
from trustplane.store.stored_people import StoredPeople
from trustplane.store.stored_proposals import StoredProposals
from trustplane.store.stored_rollouts import StoredRollouts
from trustplane.store.topics import Topic
from trustplane.trust.authority import Authority, AuthorityId, AuthorityState
from trustplane.trust.federation import Peer
from trustplane.trust.partner import Shown
from trustplane.trust.revocation import Revocations, SignedCrl
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.delivery import Kept, Parcel
from trustplane.verdict.dry_run import DryRun, Ended, Wanted
from trustplane.verdict.tally import Tally

__all__ = ["Changes", "Store", "Topic"]


class Store(StoredPeople, StoredHandshakes, StoredRollouts, StoredProposals):
    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database)
        self._clock = clock
        self._write = database.write
        self._read = database.read

    @classmethod
    async def open(cls, url: str, clock: Clock) -> Self:
        return cls(await Database.open(url, clock), clock)

    async def close(self) -> None:
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def counts(self) -> Counts:
        return self._database.counts

    @property
    def trouble(self) -> Unavailable | None:
        return self._database.trouble

    @property
    def is_shared(self) -> bool:
        """Whether other servers may use the same database."""
        return self._database.is_shared

    def changes(self) -> Changes:
        """Signals from now on: subscribe first, then read, and nothing is missed."""
        return self._database.changes()

    # Revisions

    async def put_revision(
        self,
        files: Mapping[str, str],
        digest: str,
        by: str,
        at: datetime,
        restored_from: int | None = None,
        *,
        expected_current: int | None,
    ) -> Revision:
        """Refused as `revision-moved` unless `expected_current` (None: no revision yet) still is the current one.

        A digest equal to the current revision's answers with that revision and writes nothing.
        """
        candidate = revisions.Candidate(files, digest, by, at, restored_from)
        return await self._write(lambda to: revisions.put(to, candidate, expected_current))

    async def current_revision(self) -> Revision | None:
        return await self._read(revisions.current)

    async def revision(self, number: int) -> Revision:
        return await self._read(lambda at: revisions.get(at, number))

    async def revisions(self, limit: int, before: int | None = None) -> Sequence[Revision]:
        """The newest first, without the contents of their files."""
        return await self._read(lambda at: revisions.before(at, limit, before))

    # Dry runs

    async def begin_dry_run(self, wanted: Wanted) -> DryRun:
        """Refused as `dry-run-under-way` while another is, as `revision-moved` if another revision is in force."""
        return await self._write(lambda to: dry_runs.begin(to, wanted))

    async def end_dry_run(self, number: int, ended: Ended) -> bool:
        """False when it was written down before how it ended."""
        return await self._write(lambda to: dry_runs.end(to, number, ended))

    async def newest_dry_run(self) -> DryRun | None:
        return await self._read(dry_runs.newest)

    async def lost_in_dry_run(self, run: DryRun) -> int:
        return await self._read(lambda at: dry_runs.lost(at, run))

    # Nodes

    async def put_join_token(self, token: JoinToken) -> None:
        await self._write(lambda to: nodes.put_join_token(to, token))

    async def redeem_join_token(self, token_sha256: bytes, at: datetime) -> JoinToken:
        return await self._write(lambda to: nodes.redeem_join_token(to, token_sha256, at))

    async def put_agent(self, agent: Agent) -> None:
        """A node that is banned stays banned, whatever `agent` says."""
        await self._write(lambda to: nodes.put_agent(to, agent))

    async def agent(self, node: NodeName) -> Agent | None:
        return await self._read(lambda at: nodes.agent(at, node))

    async def agents(self) -> Sequence[Agent]:
        return await self._read(nodes.all_agents)

    async def ban_agent(self, node: NodeName) -> Agent:
        return await self._write(lambda to: nodes.ban_agent(to, node))

    async def put_hosting(self, node: NodeName, services: AbstractSet[ServiceName], at: datetime) -> None:
        await self._write(lambda to: nodes.put_hosting(to, node, services, at))

    async def hosting(self) -> Sequence[Hosting]:
        return await self._read(nodes.all_hosting)

    async def put_holdings(self, holdings: Sequence[Holding]) -> None:
        await self._write(lambda to: uptake.put(to, holdings))

    async def holdings(self) -> Sequence[Holding]:
        return await self._read(uptake.everything)

    async def uptake(self) -> Uptake:
        """Of everything but views."""
        return await self._read(uptake.figures)

    async def views_held(self) -> Sequence[Holding]:
        return await self._read(uptake.views)

    async def holdings_about(self, participant: str, thing: str, limit: int) -> Sequence[Holding]:
        """What one participant holds and who holds one thing; what differs comes first."""
        return await self._read(lambda at: uptake.about(at, participant, thing, limit))

    async def drop_participants(self, node: NodeName, participants: Sequence[str]) -> None:
        await self._write(lambda to: uptake.drop_participants(to, node, participants))

    async def put_presence(
        self, life: ServerLife, came: Iterable[NodeName], left: Iterable[NodeName], at: datetime
    ) -> None:
        """Prolongs that life, and says who came to its server and who left."""
        await self._write(lambda to: presence.put(to, life, came, left, at))

    async def forget_ended_lives(self, at: datetime) -> None:
        await self._write(lambda to: presence.forget_ended(to, at))

    async def presence(self) -> tuple[Sequence[ServerLife], Sequence[Presence]]:
        return await self._read(lambda at: (presence.lives(at), presence.presences(at)))

    # Issuing

    async def record_issuance(
        self, certificates_issued: Sequence[IssuedCertificate], bodies: Sequence[bytes], at: datetime
    ) -> None:
        """All of it or nothing: Refused as `serial-taken` when one of the serial numbers is in use."""
        await self._write(lambda to: certificates.record(to, certificates_issued, bodies, at))

    async def certificate(self, serial: int) -> IssuedCertificate | None:
        return await self._read(lambda at: certificates.get(at, serial))

    async def certificates_with(self, serials: Collection[int]) -> Sequence[IssuedCertificate]:
        """Those of them that are known, in no order."""
        return await self._read(lambda at: certificates.with_serials(at, serials))

    async def certificates_of(self, spiffe_id: SpiffeId, limit: int) -> Sequence[IssuedCertificate]:
        """The newest first."""
        return await self._read(lambda at: certificates.of(at, spiffe_id, limit))

    async def living_certificates_of(self, spiffe_id: SpiffeId) -> Sequence[IssuedCertificate]:
        """All that have not expired."""
        now = self._clock.now()
        return await self._read(lambda at: certificates.alive(at, spiffe_id, now))

    async def newest_certificates(self) -> Sequence[IssuedCertificate]:
        """The newest of each SPIFFE ID and node, among those that have not expired."""
        now = self._clock.now()
        return await self._read(lambda at: certificates.newest(at, now))

    async def recent_certificates(self, whose: Sequence[tuple[SpiffeId, NodeName]]) -> Sequence[IssuedCertificate]:
        """The newest few of each of those, the newest first, among the ones that have not expired."""
        now = self._clock.now()
        return await self._read(lambda at: certificates.recent(at, whose, now))

    async def count_certificates_expiring_before(self, at: datetime) -> int:
        """How many of the newest certificates expire before that instant."""
        now = self._clock.now()
        return await self._read(lambda connection: certificates.count_expiring(connection, now, at))

    async def renewals(self) -> RenewalFigures:
        now = self._clock.now()
        return await self._read(lambda at: certificates.renewals(at, now))

    async def prune_certificates(self, expired_before: datetime) -> int:
        """Forgets certificates that expired before that instant; the audit log keeps its word on them."""
        pruned = 0
        while some := await self._write(lambda to: certificates.prune(to, expired_before)):
            pruned += some
        return pruned

    async def put_authority(self, authority: Authority, sealed_key: bytes) -> None:
        await self._write(lambda to: authorities.put(to, authority, sealed_key))

    async def move_authority(
        self, authority: AuthorityId, from_state: AuthorityState, to_state: AuthorityState, at: datetime
    ) -> bool:
        """False when it was not in `from_state` (any more): someone else moved it."""
        return await self._write(lambda to: authorities.move(to, authority, (from_state, to_state), at))

    async def authorities(self) -> Sequence[Authority]:
        """The oldest first."""
        return await self._read(authorities.everything)

    async def sealed_key(self, authority: AuthorityId) -> bytes:
        return await self._read(lambda at: authorities.sealed_key(at, authority))

    async def last_leaf_ends(self) -> Mapping[AuthorityId, datetime]:
        """When the last certificate of each authority ends, but for probes and what has expired."""
        now = self._clock.now()
        return await self._read(lambda at: certificates.last_ends(at, now))

    # Changes of root

    async def save_root_change(self, change: RootChange) -> RootChange:
        """As stored, one version further. Refused as `rotation-moved` unless `change` is its newest version.

        A new one has version 0, and is refused as `rotation-under-way` while another is not over.
        """
        return await self._write(lambda to: root_changes.save(to, change))

    async def root_changes(self, limit: int) -> Sequence[RootChange]:
        """The newest first."""
        return await self._read(lambda at: root_changes.newest(at, limit))

    async def switch_root(self, change: RootChange, at: datetime) -> bool:
        """False when that version is not the newest, or it is done already."""
        return await self._write(lambda to: root_changes.switch(to, change, at))

    async def retire_root(self, change: RootChange, at: datetime) -> bool:
        """False when that version is not the newest, the root signs, or it is done already."""
        return await self._write(lambda to: root_changes.retire(to, change, at))

    # Revocation

    async def put_revocations(self, wanted: Revocations) -> None:
        """What is revoked already stays as it is."""
        await self._write(lambda to: revocations.put(to, wanted))

    async def lift_id(self, spiffe_id: SpiffeId, at: datetime) -> bool:
        return await self._write(lambda to: revocations.lift_id(to, spiffe_id, at))

    async def cut_issuer(self, authority: AuthorityId, at: datetime) -> bool:
        return await self._write(lambda to: revocations.cut_issuer(to, authority, at))

    async def revocations(self) -> Revocations:
        """In force, the oldest first; those about what has expired too, until they are pruned."""
        return await self._read(revocations.everything)

    async def prune_revocations(self, expired_before: datetime) -> int:
        return await self._write(lambda to: revocations.prune(to, expired_before))

    async def put_crl(self, crl: SignedCrl) -> bool:
        """False when one with this number or a higher one is there."""
        return await self._write(lambda to: revocations.put_crl(to, crl))

    async def crls(self) -> Sequence[SignedCrl]:
        """The newest of each authority."""
        return await self._read(revocations.newest_crls)

    # Federation

    async def put_peer(self, peer: Peer) -> bool:
        """False when another wrote of this trust domain since `peer` was read."""
        return await self._write(lambda to: federation.put(to, peer))

    async def peers(self) -> Sequence[Peer]:
        """Of every trust domain that is or was federated with."""
        return await self._read(federation.everything)

    async def put_shown(self, shown: Shown) -> None:
        await self._write(lambda to: partners.put(to, shown))

    async def drop_shown(self, name: TrustDomain) -> None:
        await self._write(lambda to: partners.drop(to, name))

    async def shown(self) -> Sequence[Shown]:
        """What each trust domain with a relation has shown of its uptake of our bundle."""
        return await self._read(partners.everything)

    # Audit log

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int:
        """The index of the first of these bodies, which follow each other without a gap."""
        return await self._write(lambda to: to.append_audit(bodies, at))

    async def audit_head(self) -> tuple[int, tuple[bytes, ...]]:
        """The number of entries, and the roots of the full subtrees they form, the largest first."""
        head = await self._read(audit_log.head)
        return head.size, head.hashes

    async def audit_entries(self, start: int, limit: int) -> Sequence[AuditEntry]:
        return await self._read(lambda at: audit_log.entries(at, start, limit))

    async def put_checkpoint(self, note: str, size: int) -> None:
        await self._write(lambda to: audit_log.put_checkpoint(to, note, size))

    async def latest_checkpoint(self) -> str | None:
        return next(iter(await self.checkpoints(1)), None)

    async def checkpoints(self, limit: int) -> Sequence[str]:
        """The newest first."""
        return await self._read(lambda at: audit_log.newest_checkpoints(at, limit))

    # What proxies decided

    async def put_decisions(self, parcel: Parcel, at: datetime) -> Kept:
        """Once, however often it comes."""
        return await self._write(lambda to: decisions.put(to, parcel, at))

    async def decisions(
        self, since: datetime, callee: ServiceName | None, candidate: str | None, limit: int
    ) -> Sequence[tuple[DecisionKind, Tally]]:
        """Since the beginning of that hour, those with most requests first. Trials only where a candidate is named."""
        return await self._read(lambda at: decisions.found(at, since, callee, candidate, limit))

    async def decision_losses(self, since: datetime) -> Mapping[NodeName, Losses]:
        """What nodes that delivered since then said they had not counted, or under fewer paths."""
        return await self._read(lambda at: decisions.losses(at, since))

    async def prune_decisions(self, before: datetime) -> int:
        return await self._write(lambda to: decisions.prune(to, before))

    # Between replicas

    async def take_lease(self, name: str, holder: str, until: datetime, at: datetime) -> bool:
        """True when it was free, had expired, or was this holder's already, which prolongs it."""
        return await self._write(lambda to: shared.take_lease(to, Lease(name, holder, until), at))

    async def release_lease(self, name: str, holder: str) -> None:
        await self._write(lambda to: shared.release_lease(to, name, holder))

    async def next_bundle_sequence(self, content_digest: str) -> int:
        """The number to publish this content under; it rises when the content differs from the last one's."""
        return await self._write(lambda to: shared.next_bundle_sequence(to, content_digest))
