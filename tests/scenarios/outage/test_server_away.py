"""No server is there for a while. Whoever has an identity keeps it, across restarts of agents too, until it expires.

`TRUSTPLANE_OUTAGE_SCALE` makes every time that many times longer, and `TRUSTPLANE_OUTAGE_AWAY` says for how many of 24
seconds of a leaf's life the server is away: with 5 and 16 a leaf lives for two minutes and the server is away for 80 s.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.kit.mesh import Mesh, Node, until
from tests.kit.mesh_repository import Repository
from tests.kit.mesh_traffic import Traffic, status

pytestmark = pytest.mark.scenario

SCALE = float(os.environ.get("TRUSTPLANE_OUTAGE_SCALE", "1"))
LEAF = timedelta(seconds=24) * SCALE
AWAY = timedelta(seconds=float(os.environ.get("TRUSTPLANE_OUTAGE_AWAY", "9"))) * SCALE


def served_mesh(mesh: Mesh, *server_options: str, lifetime: timedelta = LEAF) -> tuple[Repository, Node]:
    """A server, an agent, and web calling pay through sidecars."""
    repository = Repository(mesh.members("web", "pay", web=["pay"]), lifetime=f"{lifetime.total_seconds():.0f}s")
    mesh.start_server(*server_options)
    mesh.apply(repository)
    node = mesh.join()
    mesh.start_sidecars(*repository.members)
    until(lambda: status(mesh.address, repository["web"].listen("pay")) == 200, "web reaches pay")
    return repository, node


def let_pass(duration: timedelta) -> None:
    """What is tested is that nothing happens for so long; there is no condition to wait for."""
    time.sleep(duration.total_seconds())


def serials(node: Node) -> set[str | None]:
    return {one.serial for one in node.status().entries}


def renewed(node: Node, before: set[str | None]) -> bool:
    return None not in serials(node) and serials(node).isdisjoint(before)


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the processes under test have the machine's clock


def test_a_server_that_is_away_for_less_than_the_budget_costs_no_request(mesh: Mesh) -> None:
    repository, node = served_mesh(mesh)
    before = serials(node)
    with Traffic(mesh.address, {"pay": repository["web"].listen("pay")}) as counts:
        mesh.server.part.kill()
        let_pass(AWAY)
        mesh.server.part.start()
        until(lambda: renewed(node, before), "every leaf is renewed")
        until(node.ready, "the agent is well again")
    assert counts.good
    assert not counts.wrong


def test_an_agent_killed_and_restarted_while_the_server_is_down_serves_what_it_had(mesh: Mesh) -> None:
    repository, node = served_mesh(mesh)
    until(lambda: node.status().survives_restart, "all is in the cache")
    with Traffic(mesh.address, {"pay": repository["web"].listen("pay")}) as counts:
        mesh.server.part.kill()
        before = serials(node)
        node.part.kill()
        mesh.start(node)
        assert serials(node) == before, "the very leaves of before"
        until(lambda: all(one.serving for one in node.status().sidecars) and len(node.status().sidecars) == 2, "both")
        let_pass(AWAY / 3)
        mesh.server.part.start()
        until(lambda: renewed(node, before), "every leaf is renewed")
    assert counts.good
    assert not counts.wrong


def test_all_agents_restarted_at_once_with_no_server(mesh: Mesh) -> None:
    repository, first = served_mesh(mesh)
    second = mesh.join("node-b")
    until(lambda: first.status().survives_restart and second.status().survives_restart, "all is in the caches")
    with Traffic(mesh.address, {"pay": repository["web"].listen("pay")}) as counts:
        mesh.server.part.kill()
        before = {node.name: serials(node) for node in (first, second)}
        for node in (first, second):
            node.part.kill()
        for node in (first, second):
            mesh.start(node)
            assert serials(node) == before[node.name]
        mesh.server.part.start()
        for node in (first, second):
            until(lambda node=node: renewed(node, before[node.name]), "renewed")  # type: ignore[misc] # bound at once
    assert not counts.wrong
