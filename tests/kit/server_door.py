"""A server's doors in memory, for its HTTP routes: one repository, one node, whatever certificates a test gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.kit.clock import VirtualClock
from tests.kit.compared_fleet import MemoryFleet, desired
from tests.kit.handshakes import MemoryFailures
from tests.kit.people import MemoryPeople
from tests.kit.proposals import MemoryProposals
from tests.kit.rollouts import MemoryRollouts
from trustplane.audit.checkpoint import Checkpoint, NoteKey, sign
from trustplane.audit.log import AuditEntry
from trustplane.audit.merkle import Frontier, leaf_hash
from trustplane.change.plan import Plan, plan
from trustplane.fault import Finding, Refused
from trustplane.flows.approvals.acts import doing_of
from trustplane.flows.approvals.keep_proposals import KeepProposals
from trustplane.flows.clock_skew import Skew
from trustplane.flows.desired.admit_policies import admitted
from trustplane.flows.issuing.revoke import Order
from trustplane.flows.people.keep_accounts import KeepAccounts
from trustplane.flows.people.sign_in import SignIn
from trustplane.flows.records.ask_failures import AskFailures
from trustplane.flows.records.compare_failures import CompareFailures
from trustplane.flows.records.keep_rollouts import KeepRollouts
from trustplane.flows.roots.ask_readiness import Readiness, Unreached
from trustplane.flows.roots.change_root import Progress, Told
from trustplane.flows.roots.federation_uptake import Reach
from trustplane.flows.roots.survey_trust import Surveyed
from trustplane.issuance.outage_budget import OutageBudget, outage_budget
from trustplane.issuance.record import IssuedCertificate, Purpose, RenewalFigures
from trustplane.people.proposed_act import ActKind
from trustplane.registry.admission.budgets import ended_waivers
from trustplane.registry.federation import Relation
from trustplane.registry.model import DesiredState
from trustplane.registry.parcels import Losses
from trustplane.registry.records import Agent, Holding, Hosting, Revision
from trustplane.registry.uptake import Uptake, is_otherwise, uptake
from trustplane.rotation.change_root import Event, Excused, GoneBack, Paused, Resumed, feed
from trustplane.rotation.root_change import Order as RotationOrder
from trustplane.rotation.root_change import RootChange, Survey, Waiver, begun
from trustplane.rotation.root_gates import waits
from trustplane.rotation.root_readiness import blocking
from trustplane.rotation.root_story import story
from trustplane.spiffe.bundle import DEFAULT_REFRESH_HINT, Bundle
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.trust.authority import Authority, AuthorityId, AuthorityKind, AuthorityState
from trustplane.trust.federation import Peer, published_before_use
from trustplane.trust.lifecycle import JwtTurn
from trustplane.trust.partner import Shown
from trustplane.trust.revocation import Cause, Revocations, RevokedCertificate, RevokedId, RevokedIssuer, SignedCrl
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.dry_run import DryRun
from trustplane.verdict.promotion import Conditions, Gate, Standing, lacks
from trustplane.verdict.tally import Tally
from trustplane.wire.http_door import ServerFacts

ACME = TrustDomain("acme.example")
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
NODE = NodeName("node-a")
WEB = SpiffeId.parse("spiffe://acme.example/ns/shop/sa/web")
JWT_AUTHORITY = AuthorityId("ab" * 32)
_ROOTS = {JWT_AUTHORITY: AuthorityState.ACTIVE}


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    expires_at: datetime


def certificate(serial: int, spiffe_id: SpiffeId = WEB, lives: timedelta = timedelta(hours=1)) -> IssuedCertificate:
    return IssuedCertificate(
        serial=serial,
        spiffe_id=spiffe_id,
        purpose=Purpose.WORKLOAD,
        node=NODE,
        profile="standard@1",
        authority=JWT_AUTHORITY,
        not_before=NOON - timedelta(seconds=30),
        not_after=NOON + lives,
        renew_at=NOON + lives * 0.6,
        issued_at=NOON,
        leaf=b"",
    )


@dataclass(slots=True)
class MemoryDoor:
    """Satisfies `ServerDoor`. `reasons` is why it cannot issue; `acts` is who did what."""

    trust_bundle: Bundle = field(default_factory=lambda: Bundle(ACME, ()))
    reasons: list[Finding] = field(default_factory=list)
    certificates: list[IssuedCertificate] = field(default_factory=list)
    held: list[Holding] = field(default_factory=list)
    hosted: list[Hosting] = field(default_factory=lambda: [Hosting(NODE, ServiceName("shop", "web"), NOON)])
    enrolled: dict[NodeName, Agent] = field(
        default_factory=lambda: {
            NODE: Agent(NODE, "10.0.0.7", "join-token", NOON, 77, NOON + timedelta(hours=1)),
        }
    )
    bodies: list[bytes] = field(default_factory=list)
    acts: list[str] = field(default_factory=list)
    kept: list[tuple[Revision, DesiredState]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    revoked: Revocations = field(default_factory=Revocations)
    changes: list[RootChange] = field(default_factory=list)
    surveyed: Surveyed = field(default_factory=lambda: Surveyed(Survey(_ROOTS, frozenset(), (), {}, timedelta(0)), ()))
    peers: list[Peer] = field(default_factory=list)
    stated: dict[TrustDomain, bytes] = field(default_factory=dict)
    showing: list[Shown] = field(default_factory=list)
    standing: Standing | None = None
    failed: MemoryFailures = field(default_factory=MemoryFailures)
    decided: dict[DecisionKind, Tally] = field(default_factory=dict)
    lost: dict[NodeName, Losses] = field(default_factory=dict)
    persons: MemoryPeople = field(default_factory=MemoryPeople)
    fleet: MemoryFleet = field(default_factory=MemoryFleet)
    deploys: MemoryRollouts = field(default_factory=MemoryRollouts)
    proposed: MemoryProposals = field(default_factory=MemoryProposals)
    required: frozenset[ActKind] = frozenset()
    log_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    async def facts(self) -> ServerFacts:
        return ServerFacts(ACME, NodeName("server-1"), "9.9", "sqlite", NOON)

    async def cannot_issue(self) -> Sequence[Finding]:
        return self.reasons

    async def to_be_mended(self) -> Sequence[Finding]:
        return ended_waivers(self.kept[-1][1], NOON) if self.kept else ()

    async def outage_budget(self) -> OutageBudget:
        services = {one.spiffe_id: name for name, one in self.kept[-1][1].services.items()} if self.kept else {}
        return outage_budget(self.certificates, lambda _, spiffe_id: services.get(spiffe_id))

    async def authorities(self) -> Sequence[Authority]:
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        state, kind = AuthorityState.ACTIVE, AuthorityKind.JWT
        return [Authority(JWT_AUTHORITY, kind, state, ACME, None, key, None, None, NOON, NOON + timedelta(days=30))]

    async def bundle(self) -> Bundle:
        return self.trust_bundle

    async def published_bundle(self) -> Bundle:
        return replace(await self.bundle(), sequence=1, refresh_hint=DEFAULT_REFRESH_HINT)

    async def published_before_use(self) -> timedelta:
        return published_before_use(DEFAULT_REFRESH_HINT)

    async def federation(self) -> Sequence[tuple[Peer, Relation | None, Sequence[Reach]]]:
        return [(one, None, ()) for one in self.peers]

    async def refresh_peer(self, name: TrustDomain) -> None:
        self.acts.append(f"refresh {name}")

    async def forget_peer(self, name: TrustDomain, by: str) -> None:
        self.acts.append(f"forget {name} by {by}")

    async def statement(self, about: TrustDomain) -> bytes:
        if about not in self.stated:
            raise Refused(code="nothing-stated", what=f"nothing about {about}", why="no relation", fix="ask for one")
        return self.stated[about]

    async def next_jwt_key(self) -> JwtTurn | None:
        return JwtTurn(NOON + timedelta(days=15), NOON + timedelta(days=20))

    async def shown(self) -> Sequence[Shown]:
        return self.showing

    async def current(self) -> tuple[Revision, DesiredState] | None:
        return self.kept[-1] if self.kept else None

    async def revisions(self, limit: int, before: int | None = None) -> Sequence[Revision]:
        found = [revision for revision, _ in reversed(self.kept) if before is None or revision.number < before]
        return found[:limit]

    async def revision(self, number: int) -> Revision:
        for revision, _ in self.kept:
            if revision.number == number:
                return revision
        raise Refused(
            code="unknown-revision", what=f"no revision {number}", why="it was never applied", fix="list them"
        )

    async def plan(self, files: Mapping[str, bytes]) -> Plan:
        return plan(self.kept[-1][1] if self.kept else None, admitted(files))

    async def apply(self, files: Mapping[str, bytes], by: str) -> tuple[Revision, Plan]:
        found = await self.plan(files)
        self.acts.append(f"apply by {by}")
        if found.is_empty and self.kept:
            return self.kept[-1][0], found
        texts = {path: content.decode() for path, content in files.items()}
        revision = Revision(len(self.kept) + 1, "d" * 64, texts, by, NOON)
        self.kept.append((revision, admitted(files)))
        return revision, found

    async def restore(self, number: int, by: str) -> tuple[Revision, Plan]:
        old = await self.revision(number)
        revision, found = await self.apply({path: text.encode() for path, text in old.files.items()}, by)
        return replace(revision, restored_from=number), found

    async def create_token(self, node: NodeName, life: timedelta, by: str) -> Token:
        self.acts.append(f"token for {node} by {by}")
        return Token("tpj_secret", NOON + life)

    async def agents(self) -> Sequence[Agent]:
        return list(self.enrolled.values())

    async def connected(self) -> Mapping[NodeName, Skew | None]:
        return dict.fromkeys(self.enrolled)

    async def ban_agent(self, node: NodeName, by: str) -> Agent:
        if node not in self.enrolled:
            raise Refused(code="agent-unknown", what=f"no agent {node}", why="none enrolled", fix="list them")
        self.acts.append(f"ban {node} by {by}")
        self.enrolled[node] = replace(self.enrolled[node], banned=True)
        return self.enrolled[node]

    async def holdings(self) -> Sequence[Holding]:
        return self.held

    async def uptake(self) -> Uptake:
        return uptake(self.held)

    async def holdings_about(self, participant: str, thing: str, limit: int) -> Sequence[Holding]:
        about = [one for one in self.held if participant == one.participant or thing == one.thing]
        return sorted(about, key=lambda one: not is_otherwise(one))[:limit]

    async def hostings(self) -> Sequence[Hosting]:
        return self.hosted

    async def certificates_of(self, spiffe_id: SpiffeId, limit: int) -> Sequence[IssuedCertificate]:
        return [one for one in reversed(self.certificates) if one.spiffe_id == spiffe_id][:limit]

    async def certificate(self, serial: int) -> IssuedCertificate | None:
        return next((one for one in self.certificates if one.serial == serial), None)

    async def revocations(self) -> tuple[Revocations, Sequence[SignedCrl]]:
        return self.revoked, ()

    async def revoke_certificate(self, serial: int, order: Order) -> RevokedCertificate:
        found = await self.certificate(serial)
        if found is None:
            raise Refused(code="unknown-certificate", what=f"{serial:x}", why="not issued", fix="look again")
        cause = Cause(order.reason, order.note, order.by, NOON)
        one = RevokedCertificate(serial, found.spiffe_id, found.authority, "00" * 32, found.not_after, cause)
        self.revoked = replace(self.revoked, certificates=(*self.revoked.certificates, one))
        return one

    async def revoke_id(self, spiffe_id: SpiffeId, order: Order) -> tuple[RevokedId, int]:
        one = RevokedId(spiffe_id, Cause(order.reason, order.note, order.by, NOON))
        self.revoked = replace(self.revoked, ids=(*self.revoked.ids, one))
        return one, len(self.certificates)

    async def revoke_issuer(self, authority: str, order: Order, *, compromised: bool) -> RevokedIssuer:
        cause = Cause(order.reason, order.note, order.by, NOON)
        one = RevokedIssuer(AuthorityId(authority), cause, NOON if compromised else None)
        self.revoked = replace(self.revoked, issuers=(*self.revoked.issuers, one))
        return one

    async def lift_id(self, spiffe_id: SpiffeId, by: str) -> None:
        self.acts.append(f"lift {spiffe_id} by {by}")
        self.revoked = replace(self.revoked, ids=tuple(one for one in self.revoked.ids if one.spiffe_id != spiffe_id))

    async def rotation(self) -> Progress:
        going = self.changes[-1] if self.changes and not self.changes[-1].phase.is_over else None
        waiting = waits(going, self.surveyed.survey, NOON) if going else ()
        return Progress(self.changes[-1] if self.changes else None, self.surveyed, waiting)

    async def rotation_plan(self, order: RotationOrder) -> Told:
        change = begun(len(self.changes) + 1, JWT_AUTHORITY, order, NOON)
        return Told(change, story(change, self.surveyed.survey, NOON), self.surveyed.survey.seen)

    async def rotation_readiness(self) -> Readiness:
        seen = self.surveyed.survey.seen
        asked = blocking(self.surveyed.survey, JWT_AUTHORITY, {}, NOON)
        unreached = tuple(Unreached(one.participant, "nobody listens there") for one in seen if one.accepts is not None)
        return Readiness(JWT_AUTHORITY, len(seen), 0, asked, unreached)

    async def rotations(self, limit: int) -> Sequence[RootChange]:
        return self.changes[::-1][:limit]

    async def dry_run(self) -> Standing:
        if self.standing is None:
            raise Refused(code="dry-run-none", what="no dry run is under way", why="none was started", fix="start one")
        return self.standing

    async def start_dry_run(self, files: Mapping[str, bytes], by: str, lasting: timedelta) -> Standing:
        self.acts.append(f"{by} tries {len(files)} files for {lasting}")
        return await self.dry_run()

    async def stop_dry_run(self, by: str) -> Standing:
        self.acts.append(f"{by} ends the dry run")
        return await self.dry_run()

    async def check_promotion(self, conditions: Conditions) -> Standing:
        standing = await self.dry_run()
        if found := lacks(standing, Gate(conditions.lasting, conditions.least), NOON):
            raise Refused.all_of(found)
        return standing

    async def promote_dry_run(self, by: str, conditions: Conditions) -> tuple[DryRun, Revision, Plan]:
        run = (await self.check_promotion(conditions)).run
        files = {path: text.encode() for path, text in run.files.items()}
        return (run, *await self.apply(files, by))

    async def start_rotation(self, order: RotationOrder) -> RootChange:
        self.changes.append(begun(len(self.changes) + 1, JWT_AUTHORITY, order, NOON))
        return self.changes[-1]

    async def pause_rotation(self, by: str) -> RootChange:
        return self._told(Paused(), by)

    async def resume_rotation(self, by: str) -> RootChange:
        return self._told(Resumed(), by)

    async def abort_rotation(self, by: str) -> RootChange:
        return self._told(GoneBack(), by)

    async def waive_participant(self, waiver: Waiver) -> RootChange:
        return self._told(Excused(waiver), waiver.by)

    def _told(self, event: Event, by: str) -> RootChange:
        if not self.changes:
            raise Refused(code="no-rotation", what="none", why="none was started", fix="start one")
        self.acts.append(f"{type(event).__name__} by {by}")
        self.changes[-1] = feed(self.changes[-1], event, NOON)[0]
        return self.changes[-1]

    async def decisions(
        self, since: datetime, callee: ServiceName | None, candidate: str | None, limit: int
    ) -> Sequence[tuple[DecisionKind, Tally]]:
        del candidate
        found = [one for one in self.decided.items() if one[1].last >= since and callee in {None, one[0].callee}]
        return sorted(found, key=lambda one: -one[1].count)[:limit]

    async def decision_losses(self, since: datetime) -> Mapping[NodeName, Losses]:
        del since
        return self.lost

    async def audit_head(self) -> tuple[int, tuple[bytes, ...]]:
        return len(self.bodies), Frontier().extend(map(leaf_hash, self.bodies)).hashes

    async def audit_entries(self, start: int, limit: int) -> Sequence[AuditEntry]:
        found = list(enumerate(self.bodies))[start : start + limit]
        return [AuditEntry(index, body, leaf_hash(body)) for index, body in found]

    def signed_note(self) -> str:
        """A checkpoint of the log as it is now."""
        tree = Frontier().extend(map(leaf_hash, self.bodies))
        return sign(Checkpoint(str(ACME), tree.size, tree.root), self._note_key(), self.log_key.sign)

    async def audit_checkpoint(self) -> str:
        return self.signed_note()

    async def audit_checkpoints(self, limit: int) -> Sequence[str]:
        return [*self.notes, self.signed_note()][:limit]

    def handshakes(self) -> AskFailures:
        return AskFailures(self.failed, VirtualClock(NOON))

    def comparing(self) -> CompareFailures:
        return CompareFailures(self.fleet, desired, self.fleet, VirtualClock(NOON))

    def rollouts(self) -> KeepRollouts:
        return KeepRollouts(self.deploys, frozenset, VirtualClock(NOON))

    def people(self) -> KeepAccounts:
        return KeepAccounts(self.persons, VirtualClock(NOON))

    def proposals(self) -> KeepProposals:
        clock = VirtualClock(NOON)
        return KeepProposals(self.proposed, doing_of(self, clock), clock, "server-1", self.required)

    def proving(self) -> SignIn:
        return SignIn(self.persons, VirtualClock(NOON))

    async def renewals(self) -> RenewalFigures:
        living = [one for one in self.certificates if one.not_after > NOON]
        return RenewalFigures(len(living), sum(one.renew_at < NOON for one in living), len(self.certificates))

    def audit_key(self) -> str:
        return str(self._note_key())

    def _note_key(self) -> NoteKey:
        return NoteKey(str(ACME), self.log_key.public_key().public_bytes_raw())
