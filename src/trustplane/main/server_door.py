"""What the server shows and does for people: the flows and the store behind one door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trustplane.audit import events
from trustplane.audit.log import AuditEntry
from trustplane.change.plan import Plan
from trustplane.clock import Clock
from trustplane.fault import Finding, Refused, Unavailable
from trustplane.flows.approvals.acts import doing_of
from trustplane.flows.approvals.keep_proposals import KeepProposals
from trustplane.flows.clock_skew import Skew
from trustplane.flows.desired.connected_agents import ConnectedAgents
from trustplane.flows.desired.desired_state import KeepDesiredState
from trustplane.flows.desired.share_presence import SharePresence
from trustplane.flows.desired.try_candidates import TryCandidates
from trustplane.flows.federation.ask_partners import AskPartners
from trustplane.flows.federation.federate import Federate
from trustplane.flows.issuing.enrol import EnrolNodes, FreshToken
from trustplane.flows.issuing.keep_authorities import KeepAuthorities
from trustplane.flows.issuing.keep_revocations import KeepRevocations
from trustplane.flows.issuing.publish_bundle import PublishBundle
from trustplane.flows.issuing.revoke import Order, Revoke
from trustplane.flows.issuing.watch_outage_budget import WatchOutageBudget
from trustplane.flows.people.keep_accounts import KeepAccounts
from trustplane.flows.people.sign_in import SignIn
from trustplane.flows.records.ask_failures import AskFailures
from trustplane.flows.records.compare_failures import CompareFailures
from trustplane.flows.records.keep_rollouts import KeepRollouts
from trustplane.flows.records.look_up_issued import LookUpIssued
from trustplane.flows.roots.ask_readiness import AskReadiness, Readiness
from trustplane.flows.roots.change_root import ChangeRoot, Progress, Told
from trustplane.flows.roots.federation_uptake import Reach, reach
from trustplane.flows.roots.state_uptake import StateUptake
from trustplane.issuance.outage_budget import OutageBudget
from trustplane.issuance.record import IssuedCertificate, RenewalFigures
from trustplane.people.proposed_act import ActKind
from trustplane.registry.admission.budgets import ended_waivers
from trustplane.registry.federation import Relation
from trustplane.registry.model import DesiredState
from trustplane.registry.parcels import Losses
from trustplane.registry.records import Agent, Holding, Hosting, Revision
from trustplane.registry.uptake import VIEW, Uptake
from trustplane.registry.view import NodeView
from trustplane.rotation.root_change import Order as RotationOrder
from trustplane.rotation.root_change import RootChange, Waiver
from trustplane.spiffe.bundle import DEFAULT_REFRESH_HINT, Bundle, BundleSet
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.store.store import Store
from trustplane.trust.authority import Authority
from trustplane.trust.federation import Peer, published_before_use
from trustplane.trust.lifecycle import JwtTurn
from trustplane.trust.partner import Shown
from trustplane.trust.revocation import Revocations, RevokedCertificate, RevokedId, RevokedIssuer, SignedCrl
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.dry_run import DryRun
from trustplane.verdict.expectations import expectations
from trustplane.verdict.promotion import MOST_EXPECTED, Conditions, Gate, Standing
from trustplane.verdict.tally import Tally
from trustplane.wire.http_door import ServerFacts


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind the door."""

    facts: ServerFacts
    store: Store
    authorities: KeepAuthorities
    desired: KeepDesiredState
    enrol: EnrolNodes
    connected: ConnectedAgents
    presence: SharePresence
    outage: WatchOutageBudget
    revocations: KeepRevocations
    revoke: Revoke
    changing: ChangeRoot
    readiness: AskReadiness
    federate: Federate
    published: PublishBundle
    asking: AskPartners
    stating: StateUptake
    trying: TryCandidates
    people: KeepAccounts
    sign_in: SignIn
    approvals_required: frozenset[ActKind]
    rollouts: KeepRollouts
    audit_key: str
    clock: Clock


class Door:
    """Satisfies `wire.http_door.ServerDoor`."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind
        self._store = behind.store
        kinds = doing_of(self, behind.clock)
        self._proposals = KeepProposals(
            behind.store, kinds, behind.clock, behind.facts.instance.name, behind.approvals_required
        )

    async def facts(self) -> ServerFacts:
        return self._behind.facts

    async def cannot_issue(self) -> Sequence[Finding]:
        found: list[Finding] = []
        try:
            signer = self._behind.authorities.x509_signer()
            if self._behind.clock.now() >= signer.authority.not_after:
                found.append(_authority_expired(signer.authority))
        except (Refused, Unavailable) as fault:
            found.extend(fault.findings)
        try:
            await self._store.audit_head()
        except (Refused, Unavailable) as fault:
            found.extend(fault.findings)
        if (trouble := self._store.trouble) is not None:
            found.extend(trouble.findings)  # nothing is issued whose intent cannot be written down
        return found

    async def to_be_mended(self) -> Sequence[Finding]:
        current = self._behind.desired.current
        ended = ended_waivers(current[1], self._behind.clock.now()) if current else ()
        behind = self._behind
        issuing = dict.fromkeys((*behind.authorities.findings(), *behind.revocations.findings()))  # a full disk is one
        return (*ended, *issuing, *behind.federate.findings())

    async def outage_budget(self) -> OutageBudget:
        return await self._behind.outage.read()

    async def authorities(self) -> Sequence[Authority]:
        return await self._store.authorities()

    async def bundle(self) -> Bundle:
        return self._behind.authorities.bundle()

    async def published_bundle(self) -> Bundle:
        return await self._behind.published.current()

    async def published_before_use(self) -> timedelta:
        hint = (await self._behind.published.current()).refresh_hint
        return published_before_use(hint or DEFAULT_REFRESH_HINT)

    async def federation(self) -> Sequence[tuple[Peer, Relation | None, Sequence[Reach]]]:
        holdings, views = await self._store.holdings(), self._views(await self._store.agents())
        current = self._behind.desired.current
        relations = current[1].federation if current else {}
        peers = self._behind.federate.peers.value
        held = [one.bundle for one in peers.values() if one.bundle is not None]
        bundles = BundleSet.of(self._behind.authorities.bundle(), *held)
        return [
            (peer, None if peer.ended_at else relations.get(name), reach(name, holdings, views, bundles))
            for name, peer in sorted(peers.items())
        ]

    def _views(self, agents: Sequence[Agent]) -> dict[NodeName, tuple[NodeView, str]]:
        views = self._behind.desired.views
        return {one.node: (views.needs.of(one.node), views.digest_of(one.node)) for one in agents if not one.banned}

    async def refresh_peer(self, name: TrustDomain) -> None:
        await self._behind.federate.poll(name)
        await self._behind.asking.ask(name)

    async def forget_peer(self, name: TrustDomain, by: str) -> None:
        await self._behind.federate.forget(name, by)
        await self._store.drop_shown(name)  # also that it has made statements

    async def statement(self, about: TrustDomain) -> bytes:
        return await self._behind.stating.about(about)

    async def next_jwt_key(self) -> JwtTurn | None:
        return await self._behind.authorities.next_jwt_key()

    async def shown(self) -> Sequence[Shown]:
        return await self._store.shown()

    async def current(self) -> tuple[Revision, DesiredState] | None:
        return self._behind.desired.current

    async def revisions(self, limit: int, before: int | None = None) -> Sequence[Revision]:
        return await self._store.revisions(limit, before)

    async def revision(self, number: int) -> Revision:
        return await self._store.revision(number)

    async def plan(self, files: Mapping[str, bytes]) -> Plan:
        return await self._behind.desired.plan(files)

    async def apply(self, files: Mapping[str, bytes], by: str) -> tuple[Revision, Plan]:
        return await self._behind.desired.apply(files, by)

    async def restore(self, number: int, by: str) -> tuple[Revision, Plan]:
        return await self._behind.desired.restore(number, by)

    async def dry_run(self) -> Standing:
        return await self._behind.trying.standing()

    async def start_dry_run(self, files: Mapping[str, bytes], by: str, lasting: timedelta) -> Standing:
        return await self._behind.trying.start(files, by, lasting)

    async def stop_dry_run(self, by: str) -> Standing:
        return await self._behind.trying.stop(by)

    async def check_promotion(self, conditions: Conditions) -> Standing:
        return await self._behind.trying.check(self._gate(conditions), conditions.digest)

    async def promote_dry_run(self, by: str, conditions: Conditions) -> tuple[DryRun, Revision, Plan]:
        return await self._behind.trying.promote(by, self._gate(conditions), conditions.digest)

    def _gate(self, conditions: Conditions) -> Gate:
        expected = expectations(self._behind.desired.declared(), conditions.expected[: MOST_EXPECTED + 1])
        return Gate(conditions.lasting, conditions.least, expected)

    async def create_token(self, node: NodeName, life: timedelta, by: str) -> FreshToken:
        return await self._behind.enrol.create_token(node, life, by)

    async def agents(self) -> Sequence[Agent]:
        return await self._store.agents()

    async def connected(self) -> Mapping[NodeName, Skew | None]:
        elsewhere = (await self._behind.presence.attendance()).connected
        return {**dict.fromkeys(elsewhere), **self._behind.connected.skews()}

    async def ban_agent(self, node: NodeName, by: str) -> Agent:
        agent = await self._store.agent(node)
        if agent is None:
            raise Refused(
                code="agent-unknown",
                what=f"no agent is enrolled for node {node}",
                why="only an enrolled agent can be banned",
                fix="trustplane status lists the enrolled nodes",
            )
        at = self._behind.clock.now()
        await self._store.append_audit([events.agent_banned(node, by, at)], at)
        await self._store.ban_agent(node)
        self._behind.connected.cut(node)
        return replace(agent, banned=True)

    async def holdings(self) -> Sequence[Holding]:
        return [self._as_desired_now(one) for one in await self._store.holdings()]

    async def uptake(self) -> Uptake:
        views = [self._as_desired_now(one) for one in await self._store.views_held()]
        return (await self._store.uptake()).with_views(views)

    async def holdings_about(self, participant: str, thing: str, limit: int) -> Sequence[Holding]:
        return [self._as_desired_now(one) for one in await self._store.holdings_about(participant, thing, limit)]

    def _as_desired_now(self, holding: Holding) -> Holding:
        """An agent reports the view it holds; what it should hold is ours to say."""
        if holding.thing != VIEW:
            return holding
        return replace(holding, desired=self._behind.desired.views.digest_of(holding.node))

    async def hostings(self) -> Sequence[Hosting]:
        return await self._store.hosting()

    async def certificates_of(self, spiffe_id: SpiffeId, limit: int) -> Sequence[IssuedCertificate]:
        return await self._store.certificates_of(spiffe_id, limit)

    async def certificate(self, serial: int) -> IssuedCertificate | None:
        return await self._store.certificate(serial)

    async def revocations(self) -> tuple[Revocations, Sequence[SignedCrl]]:
        return self._behind.revocations.in_force, self._behind.revocations.crls

    async def revoke_certificate(self, serial: int, order: Order) -> RevokedCertificate:
        return await self._behind.revoke.certificate(serial, order)

    async def revoke_id(self, spiffe_id: SpiffeId, order: Order) -> tuple[RevokedId, int]:
        return await self._behind.revoke.identity(spiffe_id, order)

    async def revoke_issuer(self, authority: str, order: Order, *, compromised: bool) -> RevokedIssuer:
        return await self._behind.revoke.issuer(authority, order, compromised=compromised)

    async def lift_id(self, spiffe_id: SpiffeId, by: str) -> None:
        await self._behind.revoke.lift(spiffe_id, by)

    async def rotation(self) -> Progress:
        return await self._behind.changing.progress()

    async def rotation_plan(self, order: RotationOrder) -> Told:
        return await self._behind.changing.told(order)

    async def rotation_readiness(self) -> Readiness:
        return await self._behind.readiness.ask()

    async def rotations(self, limit: int) -> Sequence[RootChange]:
        return await self._behind.changing.history(limit)

    async def start_rotation(self, order: RotationOrder) -> RootChange:
        return await self._behind.changing.start(order)

    async def pause_rotation(self, by: str) -> RootChange:
        return await self._behind.changing.pause(by)

    async def resume_rotation(self, by: str) -> RootChange:
        return await self._behind.changing.resume(by)

    async def abort_rotation(self, by: str) -> RootChange:
        return await self._behind.changing.go_back(by)

    async def waive_participant(self, waiver: Waiver) -> RootChange:
        return await self._behind.changing.waive(waiver)

    async def decisions(
        self, since: datetime, callee: ServiceName | None, candidate: str | None, limit: int
    ) -> Sequence[tuple[DecisionKind, Tally]]:
        return await self._store.decisions(since, callee, candidate, limit)

    async def decision_losses(self, since: datetime) -> Mapping[NodeName, Losses]:
        return await self._store.decision_losses(since)

    def handshakes(self) -> AskFailures:
        behind = self._behind
        issuer = LookUpIssued(self._store, behind.authorities, behind.revocations, behind.connected)
        return AskFailures(self._store, behind.clock, issuer)

    async def audit_head(self) -> tuple[int, tuple[bytes, ...]]:
        return await self._store.audit_head()

    async def audit_entries(self, start: int, limit: int) -> Sequence[AuditEntry]:
        return await self._store.audit_entries(start, limit)

    async def audit_checkpoint(self) -> str:
        note = await self._store.latest_checkpoint()
        if note is None:
            raise Unavailable(
                code="no-checkpoint-yet",
                what="the audit log has no signed checkpoint yet",
                why="one is made shortly after the first entry",
                fix="ask again in a second",
                retry_after=timedelta(seconds=1),
            )
        return note

    async def audit_checkpoints(self, limit: int) -> Sequence[str]:
        return await self._store.checkpoints(limit)

    def audit_key(self) -> str:
        return self._behind.audit_key

    def people(self) -> KeepAccounts:
        return self._behind.people

    def proposals(self) -> KeepProposals:
        return self._proposals

    def proving(self) -> SignIn:
        return self._behind.sign_in

    def rollouts(self) -> KeepRollouts:
        return self._behind.rollouts

    def comparing(self) -> CompareFailures:
        behind = self._behind
        return CompareFailures(behind.store, behind.desired.declared, behind.connected, behind.clock)

    async def renewals(self) -> RenewalFigures:
        return await self._store.renewals()


def _authority_expired(authority: Authority) -> Finding:
    return Finding(
        code="authority-expired",
        what=f"issuing authority {authority.id} expired at {authority.not_after:%Y-%m-%d %H:%M:%S} UTC",
        why="its successor was not made in time",
        fix="look in the server's log for why authorities were not kept, and at the clock",
    )
