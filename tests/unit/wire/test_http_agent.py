from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from tests.kit.asgi import AsgiClient
from trustplane.fault import Finding
from trustplane.wire.http_agent import agent_application, operations
from trustplane.wire.http_shapes import AgentSidecarShape, AgentStatusShape

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
AWAY = Finding(code="no-identity-yet", what="this node has no identity yet", why="no server answered", fix="wait")


class MemoryAgent:
    def __init__(self) -> None:
        self.reasons: list[Finding] = []

    def status(self) -> AgentStatusShape:
        sidecar = AgentSidecarShape(service="shop/web", attached_at=NOON, serving=True, refusal=None)
        return AgentStatusShape(
            node="node-a", trust_domain="acme.example", version="9.9", now=NOON, started_at=NOON, server="10.0.0.5:1",
            server_state="connected", server_error=None, disconnected_since=None, node_serial="ab", revision=3,
            node_expires_at=NOON, view_digest="cd", entries=(), sidecars=(sidecar,), workloads=2, workload_socket="/w",
            xds_socket="/x",
        )  # fmt: skip

    def cannot_serve(self) -> Sequence[Finding]:
        return self.reasons


@pytest.fixture
def agent() -> MemoryAgent:
    return MemoryAgent()


@pytest.fixture
def client(agent: MemoryAgent) -> AsgiClient:
    return AsgiClient(agent_application(agent, CollectorRegistry()))


def test_status_is_the_doors_word_for_word(client: AsgiClient, agent: MemoryAgent) -> None:
    assert msgspec.json.decode(client.get("/v1/status").content, type=AgentStatusShape) == agent.status()


def test_health_is_503_with_reasons_while_it_has_nothing_to_serve(client: AsgiClient, agent: MemoryAgent) -> None:
    assert client.get("/healthz").status_code == 200
    agent.reasons.append(AWAY)
    assert client.get("/healthz").status_code == 503
    assert client.get("/healthz").json()["reasons"][0]["code"] == "no-identity-yet"


def test_hosting_lists_the_sidecars_attached(client: AsgiClient) -> None:
    assert [one["service"] for one in client.get("/v1/hosting").json()["sidecars"]] == ["shop/web"]


def test_the_openapi_page_has_exactly_the_routes_that_answer(client: AsgiClient, agent: MemoryAgent) -> None:
    listed = client.get("/openapi.json").json()["paths"]
    assert listed.keys() == {one.path for one in operations(agent, CollectorRegistry())}
    assert {client.get(path).status_code for path in listed} == {200}


def test_nothing_on_the_agents_socket_changes_anything(agent: MemoryAgent) -> None:
    assert {one.method for one in operations(agent, CollectorRegistry())} == {"GET"}
