"""Two clusters of one trust domain, each with a server: the root is changed under traffic between them.

One cluster falls silent and is named; a server is killed half-way; nobody's request fails.
`TRUSTPLANE_CLUSTERS_TO_THE_END=1` waits for the old root to leave as well, which takes as long as leaves live.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.contracts.store.postgres import running_server
from tests.kit.mesh import PORTS, Mesh, Node, Server, until
from tests.kit.mesh_repository import Repository
from tests.kit.mesh_traffic import Traffic, status
from trustplane.cli import admin
from trustplane.fault import Fault
from trustplane.main.demo.directory import free_loopback
from trustplane.wire.http_rotation_shapes import ClusterProgressShape, RotationStatusShape

LIFE = "2m"  # a cluster that is silent for half a minute must not lose its leaves
EARLY = "30%-40%"
WITHIN = 120.0
TO_THE_END = bool(os.environ.get("TRUSTPLANE_CLUSTERS_TO_THE_END"))
CLUSTERS = "clusters:\n  east: {nodes: [east-*], servers: [hall]}\n  west: {nodes: [west-*], servers: [barn]}\n"


@dataclass
class Clusters:
    mesh: Mesh
    servers: tuple[Server, Server]
    west: Node
    crossing: dict[str, int]  # ports of the east where a request goes to the west

    def seen_by(self, server: Server) -> RotationStatusShape:
        return admin.server(server.admin).get("/v1/rotation", RotationStatusShape)

    def phase(self) -> str:
        """As any server that lives tells it."""
        for server in self.servers:
            with contextlib.suppress(Fault):
                found = self.seen_by(server).rotation
                return found.phase if found else ""
        return ""

    def of(self, server: Server, name: str) -> ClusterProgressShape:
        return next(one for one in self.seen_by(server).clusters if one.name == name)


@pytest.fixture
def database() -> Iterator[str]:
    for postgres in running_server():
        yield postgres.fresh_database()


def started(mesh: Mesh, database: str) -> Clusters:
    passphrase = mesh.folder / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text("correct horse battery staple\n")
    shared = ("--database-url", database, "--passphrase-file", str(passphrase), "--node-lifetime", LIFE)
    first = mesh.start_server(*shared, name="hall")
    second = mesh.start_server(*shared, name="barn", address=free_loopback(PORTS))
    web, pay, till, stock = mesh.members("web", "pay", "till", "stock", web=["pay", "till"], till=["stock"])
    of_east = [replace(one, nodes=("east-1",)) for one in (web, pay)]
    of_west = [replace(one, nodes=("west-1",)) for one in (till, stock)]
    repository = Repository((*of_east, *of_west), lifetime=LIFE, renew=EARLY, more=CLUSTERS)
    mesh.apply(repository)
    east, west = mesh.join("east-1"), mesh.join("west-1", address=free_loopback(PORTS))
    mesh.start_sidecars(*of_east, node=east)
    mesh.start_sidecars(*of_west, node=west)
    ports = {name: repository["web"].listen(name) for name in ("pay", "till")}
    until(lambda: all(status(mesh.address, port) == 200 for port in ports.values()), "web reaches both clusters")
    until(lambda: status(west.address, till.listen("stock")) == 200, "till reaches stock")
    return Clusters(mesh, (first, second), west, ports)


@pytest.mark.long
@pytest.mark.timeout(900 if TO_THE_END else 500)
def test_a_cluster_that_falls_silent_is_named_and_the_change_goes_on_when_it_is_back(database: str, mesh: Mesh) -> None:
    clusters = started(mesh, database)
    first, second = clusters.servers
    with Traffic(mesh.address, clusters.crossing) as counts:
        os.kill(clusters.west.part.pid, signal.SIGSTOP)
        try:
            mesh.ask("rotate", "start", "--reason", "yearly rotation", "--server-socket", str(first.admin))
            for server in clusters.servers:
                until(lambda server=server: clusters.of(server, "west").cut_off, "both see that it is cut off")  # type: ignore[misc] # bound at once
            until(lambda: clusters.of(first, "east").ready == 4, "the other cluster is ready")
            _is_named(clusters)
        finally:
            os.kill(clusters.west.part.pid, signal.SIGCONT)
        until(lambda: clusters.phase() in {"switch", "drain"}, "once it is awake the change goes on by itself", WITHIN)
        second.part.kill()
        second.part.start()
        mesh.until_up(second.part, second.ready)
        until(lambda: clusters.phase() == "drain", "and it finishes the switch", WITHIN)
        if TO_THE_END:
            until(lambda: clusters.phase() == "done", "the old root leaves", 300)
    assert not counts.wrong, counts.wrong
    assert counts.good > 0


def _is_named(clusters: Clusters) -> None:
    """In one line for all of it, by whichever server is asked."""
    first, second = clusters.servers
    assert {one.cluster for one in clusters.seen_by(second).waiting} == {"west"}
    assert clusters.phase() == "publish"
    told = clusters.mesh.run("rotate", "status", "--server-socket", str(second.admin)).stdout.splitlines()
    (line,) = [one for one in told if one.startswith("cluster west")]
    assert "is cut off: its agent is away, and 3 have proved nothing since" in line
    assert 'trustplane rotate waive "cluster west"' in line
    assert not [one for one in told if one.startswith(("agent west-1", "sidecar shop/till"))]
    connected = {one.node: one.connected for one in second.status().agents}
    assert connected == {"east-1": True, "west-1": False} == {one.node: one.connected for one in first.status().agents}
