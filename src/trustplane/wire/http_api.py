"""The server over HTTP: every operation, through two doors.

`admin_application` is for the Unix socket (mode 0600): whoever can open it administers the server. `public_application`
is for HTTPS: health, metrics and the federation bundle for anyone, the same reading operations for listed readers, and
nothing that changes anything.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from trustplane.clock import Clock
from trustplane.wire import http_shapes as shapes
from trustplane.wire.http_door import ServerDoor
from trustplane.wire.http_openapi import document
from trustplane.wire.http_readers import ReadersGate
from trustplane.wire.http_routes import Access, Call, Number, Operation, Raw, Text, application
from trustplane.wire.http_server_answers import METRICS_TYPE, ServerAnswers

MAX_AUDIT_ENTRIES = 10_000

_ANYONE, _READER, _ADMIN = Access.OPEN, Access.READ, Access.CHANGE
_LIMIT = Number("limit", 100, 1, 1000, "how many at most")


def admin_application(door: ServerDoor, metrics: CollectorRegistry, clock: Clock) -> ASGIApp:
    return application(operations(door, metrics, clock))


def public_application(door: ServerDoor, metrics: CollectorRegistry, clock: Clock) -> ASGIApp:
    shown = [one for one in operations(door, metrics, clock) if one.access is not Access.CHANGE]
    return application(shown, ReadersGate(door, clock))


def operations(door: ServerDoor, metrics: CollectorRegistry, clock: Clock) -> tuple[Operation, ...]:
    to = ServerAnswers(door, metrics, clock)
    listed = (*_open(to), *_standing(to), *_repository(to), *_nodes(to), *_audit(to))

    async def openapi(_: Call) -> Raw:
        facts = await door.facts()
        return Raw(document("trustplane server", facts.version, (*listed, page)), "application/json")

    page = Operation("GET", "/openapi.json", "openapi", "this page", _ANYONE, "application/json", openapi)
    return (*listed, page)


def _open(to: ServerAnswers) -> tuple[Operation, ...]:
    bundle = "the trust domain's SPIFFE bundle document, for federation"
    return (
        Operation("GET", "/healthz", "health", "whether it can issue", _ANYONE, shapes.HealthShape, to.health),
        Operation("GET", "/metrics", "metrics", "Prometheus metrics", _ANYONE, METRICS_TYPE, to.metrics),
        Operation("GET", "/bundle", "bundle", bundle, _ANYONE, "application/json", to.bundle),
    )


def _standing(to: ServerAnswers) -> tuple[Operation, ...]:
    about = Text("query", "a SPIFFE ID, or a serial number in hexadecimal")
    which = (Text("id", "of this SPIFFE ID"), Text("serial", "with this serial number, hexadecimal"), _LIMIT)
    return (
        Operation(
            "GET", "/v1/status", "status", "the whole server at a glance", _READER, shapes.ServerStatusShape, to.status
        ),
        Operation(
            "GET",
            "/v1/explain",
            "explain",
            "one identity or certificate, and why it is so",
            _READER,
            shapes.ExplanationShape,
            to.explain,
            query=(about,),
        ),
        Operation(
            "GET",
            "/v1/certificates",
            "certificates",
            "issued certificates, the newest first",
            _READER,
            shapes.CertificatesShape,
            to.certificates,
            query=which,
        ),
        Operation(
            "GET",
            "/v1/holdings",
            "holdings",
            "what participants acknowledged, against what they should hold",
            _READER,
            shapes.HoldingsShape,
            to.holdings,
            query=(_LIMIT,),
        ),
    )


def _repository(to: ServerAnswers) -> tuple[Operation, ...]:
    body = shapes.RepositoryRequest
    return (
        Operation(
            "POST",
            "/v1/plan",
            "plan",
            "what applying these files would change",
            _ADMIN,
            shapes.PlanShape,
            to.plan,
            body=body,
        ),
        Operation(
            "POST",
            "/v1/revisions",
            "apply",
            "apply these files as the next revision",
            _ADMIN,
            shapes.AppliedShape,
            to.apply,
            body=body,
        ),
        Operation(
            "GET",
            "/v1/revisions",
            "revisions",
            "applied revisions, the newest first",
            _READER,
            shapes.RevisionsShape,
            to.revisions,
            query=(_LIMIT,),
        ),
        Operation(
            "GET",
            "/v1/revisions/{number}",
            "revision",
            "one revision with its files; `current` is the newest",
            _READER,
            shapes.RevisionFilesShape,
            to.revision,
        ),
        Operation(
            "POST",
            "/v1/revisions/{number}/restore",
            "restore",
            "apply an earlier revision again, as the next",
            _ADMIN,
            shapes.AppliedShape,
            to.restore,
        ),
    )


def _nodes(to: ServerAnswers) -> tuple[Operation, ...]:
    return (
        Operation(
            "POST",
            "/v1/join-tokens",
            "create_token",
            "a single-use right to enrol one node",
            _ADMIN,
            shapes.TokenShape,
            to.create_token,
            body=shapes.TokenRequest,
        ),
        Operation("GET", "/v1/agents", "agents", "enrolled nodes", _READER, shapes.AgentsShape, to.agents),
        Operation(
            "POST",
            "/v1/agents/{node}/ban",
            "ban_agent",
            "cut a node off and refuse it from now on",
            _ADMIN,
            shapes.AgentShape,
            to.ban_agent,
        ),
    )


def _audit(to: ServerAnswers) -> tuple[Operation, ...]:
    start = Number("start", 0, 0, 2**53, "the index of the first entry")
    limit = Number("limit", 1000, 1, MAX_AUDIT_ENTRIES, "how many at most; fewer come when bodies are large")
    return (
        Operation(
            "GET",
            "/v1/audit/entries",
            "audit_entries",
            "entries of the audit log, as hashed",
            _READER,
            shapes.AuditEntriesShape,
            to.audit_entries,
            query=(start, limit),
        ),
        Operation(
            "GET",
            "/v1/audit/head",
            "audit_head",
            "how long the audit log is, its frontier, and the key of its checkpoints",
            _READER,
            shapes.AuditHeadShape,
            to.audit_head,
        ),
        Operation(
            "GET",
            "/v1/audit/checkpoint",
            "audit_checkpoint",
            "the newest signed checkpoint",
            _READER,
            shapes.CheckpointShape,
            to.audit_checkpoint,
        ),
        Operation(
            "GET",
            "/v1/audit/checkpoints",
            "audit_checkpoints",
            "signed checkpoints kept, the newest first",
            _READER,
            shapes.CheckpointsShape,
            to.audit_checkpoints,
            query=(_LIMIT,),
        ),
    )
