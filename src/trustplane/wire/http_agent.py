"""The agent over HTTP, on its Unix socket: its state, its health, its metrics. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from starlette.types import ASGIApp

from trustplane.fault import Finding
from trustplane.wire import http_shapes as shapes
from trustplane.wire.http_faults import encode
from trustplane.wire.http_findings import finding_shape
from trustplane.wire.http_openapi import document
from trustplane.wire.http_routes import Access, Call, Operation, Raw, application

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class AgentDoor(Protocol):
    def status(self) -> shapes.AgentStatusShape: ...

    def cannot_serve(self) -> Sequence[Finding]:
        """Every reason why a workload asking now would get nothing usable; empty when it would."""
        ...


def agent_application(door: AgentDoor, metrics: CollectorRegistry) -> ASGIApp:
    return application(operations(door, metrics))


def operations(door: AgentDoor, metrics: CollectorRegistry) -> tuple[Operation, ...]:
    async def status(_: Call) -> shapes.AgentStatusShape:
        return door.status()

    async def hosting(_: Call) -> shapes.AgentHostingShape:
        return shapes.AgentHostingShape(sidecars=door.status().sidecars)

    async def health(_: Call) -> Raw:
        reasons = tuple(finding_shape(one) for one in door.cannot_serve())
        body = shapes.HealthShape(ok=not reasons, reasons=reasons)
        return Raw(encode(body), "application/json", 503 if reasons else 200)

    async def show_metrics(_: Call) -> Raw:
        return Raw(generate_latest(metrics), METRICS_TYPE)

    async def openapi(_: Call) -> Raw:
        return Raw(document("trustplane agent", door.status().version, (*listed, page)), "application/json")

    own = Access.OPEN  # the socket is the door; nothing behind it is closed further
    status_summary, hosting_summary = "the whole agent at a glance", "sidecars attached to this agent"
    listed = (
        Operation("GET", "/v1/status", "status", status_summary, own, shapes.AgentStatusShape, status),
        Operation("GET", "/v1/hosting", "hosting", hosting_summary, own, shapes.AgentHostingShape, hosting),
        Operation("GET", "/healthz", "health", "whether it serves identities", own, shapes.HealthShape, health),
        Operation("GET", "/metrics", "metrics", "Prometheus metrics", own, METRICS_TYPE, show_metrics),
    )
    page = Operation("GET", "/openapi.json", "openapi", "this page", own, "application/json", openapi)
    return (*listed, page)
