"""All that a server does, put together: which flow asks which, and what each keeps it in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from trustplane.audit.checkpoint import NoteKey
from trustplane.flows.desired.connected_agents import ConnectedAgents
from trustplane.flows.desired.desired_state import KeepDesiredState
from trustplane.flows.desired.share_presence import SharePresence
from trustplane.flows.desired.try_candidates import TryCandidates
from trustplane.flows.federation.ask_partners import AskPartners
from trustplane.flows.federation.federate import Federate
from trustplane.flows.issuing.enrol import EnrolNodes
from trustplane.flows.issuing.issue import IssueX509
from trustplane.flows.issuing.issue_in_turn import IssueInTurn
from trustplane.flows.issuing.keep_authorities import Instance, KeepAuthorities
from trustplane.flows.issuing.keep_revocations import KeepRevocations, UnlessRevoked
from trustplane.flows.issuing.mint_jwt import MintJwt
from trustplane.flows.issuing.publish_bundle import PublishBundle
from trustplane.flows.issuing.replace_issuers import ReplaceIssuers
from trustplane.flows.issuing.revoke import Revoke
from trustplane.flows.issuing.server_identity import KeepServerIdentity
from trustplane.flows.issuing.watch_outage_budget import WatchOutageBudget
from trustplane.flows.records.export_telemetry import OfferedOnceKept, WaitingFailures
from trustplane.flows.records.keep_decisions import KeepDecisions
from trustplane.flows.records.keep_handshakes import KeepHandshakes
from trustplane.flows.roots.ask_readiness import AskReadiness, Own
from trustplane.flows.roots.change_root import ChangeRoot
from trustplane.flows.roots.state_uptake import StateUptake
from trustplane.flows.roots.watch_fleet import WatchFleet
from trustplane.flows.seal_checkpoint import SealCheckpoint
from trustplane.host.clock import SystemClock
from trustplane.host.handshake_probe import knock
from trustplane.keys.audit import FILE as AUDIT_KEY_FILE
from trustplane.keys.audit import AuditKey
from trustplane.keys.authority import AuthorityKeys
from trustplane.keys.leaf import LeafKey
from trustplane.keys.sealing import Kek, choose_kek, credentials_directory
from trustplane.main.dry_run_seen import SeenOfDryRun
from trustplane.main.partner_ports import PartnerPorts, hints_before_use
from trustplane.main.publishing import Publishing, attendance
from trustplane.main.settings import ServerSettings
from trustplane.registry.model import KeyKind, Profile, RenewalWindow
from trustplane.rotation.pace import SigningPace
from trustplane.store.store import Store
from trustplane.wire.bundle_endpoint import BundleEndpoints

# Of nodes and servers. Their leaves are not the operator's to shape: agents renew them by themselves.
OWN_PROFILE = Profile("trustplane", 1, KeyKind.P256, timedelta(hours=1), timedelta(seconds=30), RenewalWindow(0.4, 0.6))


@dataclass(frozen=True, slots=True)
class Flows:
    store: Store
    authorities: KeepAuthorities
    desired: KeepDesiredState
    enrol: EnrolNodes
    issuer: IssueX509
    turns: IssueInTurn
    minter: MintJwt
    identity: KeepServerIdentity
    checkpoints: SealCheckpoint
    connected: ConnectedAgents
    presence: SharePresence
    outage: WatchOutageBudget
    fleet: WatchFleet
    revocations: KeepRevocations
    replacing: ReplaceIssuers
    revoke: Revoke
    changing: ChangeRoot
    readiness: AskReadiness
    federate: Federate
    published: PublishBundle
    asking: AskPartners
    stating: StateUptake
    trying: TryCandidates
    decisions: KeepDecisions
    handshakes: KeepHandshakes
    audit_key: str
    told_on: WaitingFailures  # to a collector, where one was named


def flows_of(settings: ServerSettings, store: Store, clock: SystemClock) -> Flows:
    """Each of them, made of those that it asks."""
    kek = choose_kek(settings.data_dir, settings.passphrase_file, credentials_directory())
    instance, keys = Instance(settings.trust_domain, settings.instance), AuthorityKeys(kek)
    desired = KeepDesiredState(settings.trust_domain, store, store, store, clock)
    authorities = KeepAuthorities(store, keys, instance, settings.lifetimes, clock, partial(_ahead, desired))
    revocations = KeepRevocations(store, keys, desired, clock)
    replacing = ReplaceIssuers(store, authorities, revocations, desired, clock)
    rights = UnlessRevoked(desired, revocations)
    issuer = IssueX509(store, authorities.x509_signer, rights, replace(OWN_PROFILE, lifetime=settings.node_lifetime))
    note_key, checkpoints = _checkpoints(settings, store, kek)
    connected, presence = attendance(store, settings.instance, clock)
    published, endpoints, partners = _partners(settings, store, authorities, desired, clock)
    publishing = Publishing(authorities, desired, revocations, partners.federate)
    survey = publishing.survey(store, presence, partners, clock)
    identity = KeepServerIdentity(settings.instance, issuer, LeafKey.generate, clock)
    told_on = WaitingFailures()
    fleet = WatchFleet(store, (desired, presence, connected), publishing.now, clock)
    return Flows(
        store=store,
        authorities=authorities,
        desired=desired,
        enrol=EnrolNodes(store, store, store, issuer, clock),
        issuer=issuer,
        turns=IssueInTurn(issuer, SigningPace(settings.signing_rate), clock),
        minter=MintJwt(store, authorities.jwt_signer, rights),
        identity=identity,
        checkpoints=checkpoints,
        connected=connected,
        presence=presence,
        outage=WatchOutageBudget(store, desired, clock, fleet),
        fleet=fleet,
        revocations=revocations,
        replacing=replacing,
        revoke=Revoke(store, revocations, replacing, clock),
        changing=ChangeRoot(store, authorities, survey, desired.remake, clock),
        federate=partners.federate,
        published=published,
        asking=AskPartners(store, partners.asked, published.current, endpoints, settings.instance.name, clock),
        stating=StateUptake(store, partners.trusted, partners.meant, authorities.jwt_signer, clock),
        readiness=AskReadiness(store, survey, _own(identity, authorities, desired), knock, clock),
        trying=TryCandidates(store, desired, SeenOfDryRun(store, connected, presence), store, clock),
        decisions=KeepDecisions(store, desired, clock),
        handshakes=KeepHandshakes(
            OfferedOnceKept(store, told_on) if settings.telemetry.endpoint else store, desired, clock
        ),
        audit_key=str(note_key),
        told_on=told_on,
    )


def _checkpoints(settings: ServerSettings, store: Store, kek: Kek) -> tuple[NoteKey, SealCheckpoint]:
    key = AuditKey.from_file(settings.data_dir / AUDIT_KEY_FILE, kek)
    note_key = NoteKey(f"{settings.trust_domain}/audit", key.public)
    return note_key, SealCheckpoint(store, note_key, key.sign)


def _ahead(desired: KeepDesiredState) -> timedelta:
    current = desired.current
    return hints_before_use(current[1] if current else None)


def _own(identity: KeepServerIdentity, authorities: KeepAuthorities, desired: KeepDesiredState) -> Own:
    return Own(lambda: identity.identity.value, authorities.bundle, desired.declared)


def _partners(
    settings: ServerSettings, store: Store, authorities: KeepAuthorities, desired: KeepDesiredState, clock: SystemClock
) -> tuple[PublishBundle, BundleEndpoints, PartnerPorts]:
    endpoints = BundleEndpoints(settings.federation.web_authorities)
    federate = Federate(store, desired, authorities, endpoints, settings.instance, clock)
    return PublishBundle(authorities, desired, store), endpoints, PartnerPorts(store, authorities, desired, federate)
