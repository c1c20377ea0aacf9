"""No server is there for a while. Whoever has an identity keeps it, across restarts of agents too, until it expires."""

from __future__ import annotations

import pytest

from tests.kit.mesh import Mesh, until
from tests.kit.mesh_outage import (
    AWAY,
    EARLY,
    about_to_renew,
    let_pass,
    overdue,
    serials,
    served_mesh,
    time_limit,
    traffic,
    until_renewed,
)

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(time_limit())]


def test_a_server_that_dies_the_moment_before_a_renewal_costs_no_request(mesh: Mesh) -> None:
    repository, node = served_mesh(mesh, renew=EARLY)
    with traffic(mesh, repository) as counts:
        until(lambda: about_to_renew(node), "a leaf is about to be renewed")
        mesh.server.part.kill()
        before = serials(node)
        let_pass(AWAY)
        assert overdue(node)
        mesh.server.part.start()
        until_renewed(node, before)
        until(node.ready, "the agent is well again")
    assert counts.good
    assert not counts.wrong


def test_an_agent_killed_and_restarted_while_the_server_is_down_serves_what_it_had(mesh: Mesh) -> None:
    repository, node = served_mesh(mesh, renew=EARLY)
    until(lambda: node.status().survives_restart, "all is in the cache")
    with traffic(mesh, repository) as counts:
        mesh.server.part.kill()
        before = serials(node)
        node.part.kill()
        mesh.start(node)
        assert serials(node) == before, "the very leaves of before"
        until(lambda: all(one.serving for one in node.status().sidecars) and len(node.status().sidecars) == 2, "both")
        let_pass(AWAY)
        assert overdue(node)
        mesh.server.part.start()
        until_renewed(node, before)
    assert counts.good
    assert not counts.wrong


def test_a_node_that_restarts_while_the_server_is_down_serves_again(mesh: Mesh) -> None:
    repository, node = served_mesh(mesh, renew=EARLY)
    until(lambda: node.status().survives_restart, "all is in the cache")
    mesh.server.part.kill()
    before = serials(node)
    for part in (node.part, *node.sidecars.values()):
        part.kill()
    mesh.start(node)
    for part in node.sidecars.values():
        part.start()
    port = repository["web"].listen("pay")
    until(lambda: mesh.status(node, port) == 200, "web reaches pay, through proxies that began with nothing")
    assert serials(node) == before
    mesh.server.part.start()
    until_renewed(node, before)


@pytest.mark.long
def test_all_agents_restarted_at_once_with_no_server(mesh: Mesh) -> None:
    repository, first = served_mesh(mesh, renew=EARLY)
    second = mesh.join("node-b")
    until(lambda: first.status().survives_restart and second.status().survives_restart, "all is in the caches")
    with traffic(mesh, repository, first) as counts:
        mesh.server.part.kill()
        before = {node.name: serials(node) for node in (first, second)}
        for node in (first, second):
            node.part.kill()
        for node in (first, second):
            node.part.start()
        for node in (first, second):
            mesh.until_up(node.part, node.ready)
            assert serials(node) == before[node.name]
        let_pass(AWAY)
        mesh.server.part.start()
        for node in (first, second):
            until_renewed(node, before[node.name])
    assert counts.good
    assert not counts.wrong
