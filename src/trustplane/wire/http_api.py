"""The server over HTTP: every operation, through two doors.

`admin_application` is for the Unix socket (mode 0600): whoever can open it administers the server. `public_application`
is for HTTPS: health, metrics and the federation bundle for anyone, the same reading operations for listed readers, and
nothing that changes anything.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from trustplane.clock import Clock
from trustplane.flows.records.keep_decisions import KEPT_FOR
from trustplane.flows.records.keep_handshakes import KEPT_FOR as HANDSHAKES_KEPT_FOR
from trustplane.wire import http_dry_run_shapes as dry_runs
from trustplane.wire import http_revocation_shapes as orders
from trustplane.wire import http_rotation_shapes as rotations
from trustplane.wire import http_shapes as shapes
from trustplane.wire.http_door import ServerDoor
from trustplane.wire.http_dry_run import DryRunAnswers
from trustplane.wire.http_federation import FederationAnswers, bundle_operation, statement_operation
from trustplane.wire.http_federation_shapes import FederationShape, FederationStoryShape
from trustplane.wire.http_federation_story import FederationStory
from trustplane.wire.http_fleet import fleet_operation
from trustplane.wire.http_handshakes import HandshakeAnswers, HandshakesShape
from trustplane.wire.http_holdings import MAX_CURSOR_CHARACTERS
from trustplane.wire.http_openapi import document
from trustplane.wire.http_people import account_operations
from trustplane.wire.http_proposal_shapes import ProposalShape
from trustplane.wire.http_proposals import proposal_operations
from trustplane.wire.http_readers import ReadersGate
from trustplane.wire.http_revocations import RevocationAnswers
from trustplane.wire.http_rollouts import rollout_operations
from trustplane.wire.http_rotation import RotationAnswers
from trustplane.wire.http_routes import Access, Call, Number, Operation, Raw, Run, Text, application
from trustplane.wire.http_server_answers import METRICS_TYPE, ServerAnswers
from trustplane.wire.http_traffic import MOST_DECISIONS, TrafficAnswers
from trustplane.wire.http_traffic_shapes import TrafficShape

PROPOSED = {"start_rotation", "waive_participant", "promote_dry_run", "revoke_id", "revoke_issuer"}
MAX_AUDIT_ENTRIES = 10_000

_ANYONE = Access.OPEN
Shape = type[msgspec.Struct]

_LIMIT = Number("limit", 100, 1, 1000, "how many at most")


def admin_application(door: ServerDoor, metrics: CollectorRegistry, clock: Clock) -> ASGIApp:
    return application(operations(door, metrics, clock))


def public_application(door: ServerDoor, metrics: CollectorRegistry, clock: Clock) -> ASGIApp:
    shown = [one for one in operations(door, metrics, clock) if one.access is not Access.CHANGE]
    return application(shown, ReadersGate(door, clock))


def operations(door: ServerDoor, metrics: CollectorRegistry, clock: Clock) -> tuple[Operation, ...]:
    to = ServerAnswers(door, metrics, clock)
    listed = (
        *(*_open(to), bundle_operation(door), statement_operation(door), *_standing(to), *_repository(to), *_nodes(to)),
        *(*_dry_run(door, clock), *_federation(door, clock), *_revocation(door), *_rotation(door, clock), *_audit(to)),
        *(_traffic(door, clock), _handshakes(door)),
        *account_operations(door.people()),
        *proposal_operations(door.proposals(), door.proving(), clock),
        *rollout_operations(door.rollouts()),
        fleet_operation(door),
    )

    listed = tuple(replace(one, waits=ProposalShape) if one.name in PROPOSED else one for one in listed)

    async def openapi(_: Call) -> Raw:
        facts = await door.facts()
        return Raw(document("trustplane server", facts.version, (*listed, page)), "application/json")

    page = Operation("GET", "/openapi.json", "openapi", "this page", _ANYONE, "application/json", openapi)
    return (*listed, page)


def _open(to: ServerAnswers) -> tuple[Operation, ...]:
    return (
        Operation("GET", "/healthz", "health", "whether it can issue", _ANYONE, shapes.HealthShape, to.health),
        Operation("GET", "/metrics", "metrics", "Prometheus metrics", _ANYONE, METRICS_TYPE, to.metrics),
    )


def _standing(to: ServerAnswers) -> tuple[Operation, ...]:
    about = (Text("query", "a SPIFFE ID, or a serial number in hexadecimal"),)
    which = (Text("id", "of this SPIFFE ID"), Text("serial", "with this serial number, hexadecimal"), _LIMIT)
    explained, found, held = shapes.ExplanationShape, shapes.CertificatesShape, shapes.HoldingsShape
    place = Text("after", "`next` of the page before", MAX_CURSOR_CHARACTERS)
    pages = (_LIMIT, place, Number("differing", 0, 0, 1, "1: only who does not hold what it should"))
    what_is_held = "what participants acknowledged, against what they should hold"
    return (
        _read("/v1/status", "status", "the whole server at a glance", shapes.ServerStatusShape, to.status),
        _read("/v1/explain", "explain", "one identity or certificate, and why it is so", explained, to.explain, about),
        _read("/v1/certificates", "certificates", "issued ones, the newest first", found, to.certificates, which),
        _read("/v1/holdings", "holdings", what_is_held, held, to.holdings, pages),
    )


def _repository(to: ServerAnswers) -> tuple[Operation, ...]:
    files, applied, listed = shapes.RepositoryRequest, shapes.AppliedShape, shapes.RevisionsShape
    older = Number("before", 0, 0, 2**53, "of those with a number below this one; 0: from the newest on")
    one, again = "/v1/revisions/{number}", "apply an earlier revision again, as the next"
    with_files = "one revision with its files; `current` is the newest"
    return (
        _act("/v1/plan", "plan", "what applying these files would change", shapes.PlanShape, to.plan, files),
        _act("/v1/revisions", "apply", "apply these files as the next revision", applied, to.apply, files),
        _act(f"{one}/restore", "restore", again, applied, to.restore),
        _read("/v1/revisions", "revisions", "applied ones, the newest first", listed, to.revisions, (_LIMIT, older)),
        _read(one, "revision", with_files, shapes.RevisionFilesShape, to.revision),
    )


def _dry_run(door: ServerDoor, clock: Clock) -> tuple[Operation, ...]:
    to, shape, here = DryRunAnswers(door, clock), dry_runs.DryRunShape, "/v1/dry-run"
    files, gate, promoted = dry_runs.DryRunRequest, dry_runs.PromotionRequest, dry_runs.PromotionShape
    shown = "the newest candidate tried on live traffic, and what it has shown"
    enforcing = "apply what was tried, if it has shown enough; or only say whether it has"
    return (
        _read(here, "dry_run", shown, shape, to.status),
        _act(
            "/v1/dry-runs",
            "start_dry_run",
            "try these files on live traffic beside what is enforced",
            shape,
            to.start,
            files,
        ),
        _act(f"{here}/stop", "stop_dry_run", "end it; nothing that is enforced changes", shape, to.stop),
        _act(f"{here}/promote", "promote_dry_run", enforcing, promoted, to.promote, gate),
    )


def _nodes(to: ServerAnswers) -> tuple[Operation, ...]:
    request, token, agent = shapes.TokenRequest, shapes.TokenShape, shapes.AgentShape
    joining, banning = "a single-use right to enrol one node", "cut a node off and refuse it from now on"
    return (
        _act("/v1/join-tokens", "create_token", joining, token, to.create_token, request),
        _act("/v1/agents/{node}/ban", "ban_agent", banning, agent, to.ban_agent),
        _read("/v1/agents", "agents", "enrolled nodes", shapes.AgentsShape, to.agents),
    )


def _federation(door: ServerDoor, clock: Clock) -> tuple[Operation, ...]:
    to, shape, one = FederationAnswers(door, clock), FederationShape, "/v1/federation/{trust_domain}"
    known = "what is known of other trust domains, and who holds their bundles"
    story, written = FederationStory(door).story, "how the keys are changed with them, told for people"
    forgetting = "forget the bundle, sequence and roots of a trust domain"
    return (
        _read("/v1/federation", "federation", known, shape, to.status),
        _read("/v1/federation/story", "federation_story", written, FederationStoryShape, story),
        _act(f"{one}/refresh", "refresh_peer", "ask another trust domain's endpoint now", shape, to.refresh),
        _act(f"{one}/forget", "forget_peer", forgetting, shape, to.forget),
    )


def _revocation(door: ServerDoor) -> tuple[Operation, ...]:
    to, one = RevocationAnswers(door), shapes.RevocationShape
    by_serial, by_id, by_issuer = orders.RevokeCertificateRequest, orders.RevokeIdRequest, orders.RevokeIssuerRequest
    listed, where = shapes.RevocationsShape, "/v1/revocations"
    what = "what is revoked and in force, and the CRLs that say so"
    replaced = "replace an issuing authority and cut it off"
    lifting = "let a revoked ID be issued to again"
    return (
        _read(where, "revocations", what, listed, to.revocations),
        _act(f"{where}/certificates", "revoke_certificate", "take back one", one, to.certificate, by_serial),
        _act(f"{where}/ids", "revoke_id", "take back an ID and all it has", one, to.identity, by_id),
        _act(f"{where}/issuers", "revoke_issuer", replaced, one, to.issuer, by_issuer),
        _act(f"{where}/ids/lift", "lift_id", lifting, listed, to.lift, orders.LiftRequest),
    )


def _rotation(door: ServerDoor, clock: Clock) -> tuple[Operation, ...]:
    to, one, here = RotationAnswers(door, clock), rotations.RotationShape, "/v1/rotation"
    status, listed, held = rotations.RotationStatusShape, rotations.RotationsShape, rotations.BundleStatusShape
    asked, waiver = rotations.RotationRequest, rotations.WaiverRequest
    told, urgent = rotations.RotationPlanShape, (Number("emergency", 0, 0, 1, "1: as an emergency"),)
    who = "who holds the published bundle, and who does not"
    asks = "whom a change would wait for now; every sidecar is asked, nothing is changed"
    return (
        _read(here, "rotation", "the newest change of root, and whom it waits for", status, to.status),
        _read(f"{here}/plan", "rotation_plan", "what would happen, told for people", told, to.plan, urgent),
        _read(f"{here}/readiness", "rotation_readiness", asks, rotations.ReadinessShape, to.readiness),
        _read("/v1/rotations", "rotations", "changes of root, the newest first", listed, to.history, (_LIMIT,)),
        _read("/v1/bundle-status", "bundle_status", who, held, to.bundle_status),
        _act("/v1/rotations", "start_rotation", "begin to change the root", one, to.start, asked),
        _act(f"{here}/pause", "pause_rotation", "do nothing further for now", one, to.pause),
        _act(f"{here}/resume", "resume_rotation", "go on", one, to.resume),
        _act(f"{here}/waivers", "waive_participant", "do not wait for one participant", one, to.waive, waiver),
        _act(f"{here}/abort", "abort_rotation", "go back to the root of before", one, to.abort),
    )


def _traffic(door: ServerDoor, clock: Clock) -> Operation:
    most = int(KEPT_FOR.total_seconds())
    asked = (
        Text("service", "of this callee, as namespace/name"),
        Text("candidate", "judged by this candidate"),
        Number("seconds", 7 * 86400, 1, most, "since so long ago, from the beginning of that hour"),
        Number("limit", 1000, 1, MOST_DECISIONS, "how many at most"),
    )
    what = "what proxies decided, counted by kind of request"
    return _read("/v1/traffic", "traffic", what, TrafficShape, TrafficAnswers(door, clock).traffic, asked)


def _handshakes(door: ServerDoor) -> Operation:
    asked = (
        Number("seconds", 3600, 1, int(HANDSHAKES_KEPT_FOR.total_seconds()), "since so long ago"),
        Text("from", "since then instead, RFC 3339", 40),
        Text("to", "before then; otherwise now, RFC 3339", 40),
    )
    what = "handshakes that failed: records of both sides to join, standing for all there were"
    return _read("/v1/handshakes", "handshakes", what, HandshakesShape, HandshakeAnswers(door).failed, asked)


def _audit(to: ServerAnswers) -> tuple[Operation, ...]:
    start = Number("start", 0, 0, 2**53, "the index of the first entry")
    limit = Number("limit", 1000, 1, MAX_AUDIT_ENTRIES, "how many at most")
    head, note, notes = shapes.AuditHeadShape, shapes.CheckpointShape, shapes.CheckpointsShape
    entries = shapes.AuditEntriesShape
    size = "how long the log is, its frontier, and the key of its checkpoints"
    newest, kept = "the newest signed checkpoint", "signed checkpoints kept, the newest first"
    return (
        _read("/v1/audit/head", "audit_head", size, head, to.audit_head),
        _read("/v1/audit/entries", "audit_entries", "entries as hashed", entries, to.audit_entries, (start, limit)),
        _read("/v1/audit/checkpoint", "audit_checkpoint", newest, note, to.audit_checkpoint),
        _read("/v1/audit/checkpoints", "audit_checkpoints", kept, notes, to.audit_checkpoints, (_LIMIT,)),
    )


def _read(  # noqa: PLR0917 - the columns of the table above
    path: str, name: str, summary: str, answer: Shape, run: Run, query: tuple[Number | Text, ...] = ()
) -> Operation:
    return Operation("GET", path, name, summary, Access.READ, answer, run, query)


def _act(  # noqa: PLR0917 - the columns of the table above
    path: str, name: str, summary: str, answer: Shape, run: Run, body: Shape | None = None
) -> Operation:
    return Operation("POST", path, name, summary, Access.CHANGE, answer, run, body=body)
