"""Agents that no longer reach the server, and are told so by nobody: packets just do not arrive.

Each process runs in the network of its host. The caller is on one host and the callee on another, so that traffic goes
through the very switch that no longer carries anything to the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.kit.mesh import Mesh, Node, until
from tests.kit.mesh_outage import (
    AWAY,
    EARLY,
    LEAF,
    let_pass,
    overdue,
    renewed,
    serials,
    time_limit,
    traffic,
    until_renewed,
)
from tests.kit.mesh_repository import Repository
from tests.kit.netns import network
from trustplane.host.network_namespaces import Host, Network

pytestmark = [pytest.mark.scenario, pytest.mark.network, pytest.mark.timeout(time_limit())]


@pytest.fixture
def net() -> Iterator[Network]:
    with network() as one:
        yield one


@dataclass(frozen=True)
class Parted:
    """web on the host `near`, pay on the host `far`, the server on a third."""

    repository: Repository
    server: Host
    near: Host
    west: Node
    east: Node


def over_three_hosts(mesh: Mesh, net: Network) -> Parted:
    server, near, far = (net.host(name) for name in ("server", "near", "far"))
    web, pay = mesh.members("web", "pay", web=["pay"])
    web, pay = replace(web, nodes=("west",)), replace(pay, nodes=("east",))
    repository = Repository((web, pay), lifetime=f"{LEAF.total_seconds():.0f}s", renew=EARLY)
    mesh.start_server(address=mesh.at(server))
    mesh.apply(repository)
    west = mesh.join("west", address=mesh.at(near))
    east = mesh.join("east", address=mesh.at(far))
    mesh.start_sidecars(web, node=west)
    mesh.start_sidecars(pay, node=east)
    until(lambda: mesh.status(west, web.listen("pay")) == 200, "web in the west reaches pay in the east")
    return Parted(repository, server, near, west, east)


@pytest.mark.long
def test_one_agent_parted_from_the_server_costs_no_request(mesh: Mesh, net: Network) -> None:
    hosts = over_three_hosts(mesh, net)
    west, east = hosts.west, hosts.east
    with mesh.entered(west.address), traffic(mesh, hosts.repository, west) as counts:
        net.sever(hosts.server, hosts.near)
        before = {node.name: serials(node) for node in (west, east)}
        let_pass(AWAY)
        assert overdue(west)
        assert renewed(east, before["east"]), "the other agent goes on as ever"
        net.mend(hosts.server, hosts.near)
        until_renewed(west, before["west"])
        until(west.ready, "the agent is well again")
    assert counts.good
    assert not counts.wrong


def test_all_agents_parted_from_the_server_cost_no_request(mesh: Mesh, net: Network) -> None:
    hosts = over_three_hosts(mesh, net)
    agents = (hosts.west, hosts.east)
    with mesh.entered(hosts.west.address), traffic(mesh, hosts.repository, hosts.west) as counts:
        hosts.server.cut()
        before = {node.name: serials(node) for node in agents}
        let_pass(AWAY)
        assert all(overdue(node) for node in agents)
        hosts.server.heal()
        for node in agents:
            until_renewed(node, before[node.name])
            until(node.ready, "the agent is well again")
    assert counts.good
    assert not counts.wrong
