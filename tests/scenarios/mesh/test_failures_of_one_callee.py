"""Many callers and many callees, one of which nobody lets in any more: the server says which, without a log.

1. Every caller reaches every callee; then the certificate of one callee is revoked while its agent stands still.
2. `diagnose --fleet` names that callee.
"""

from __future__ import annotations

import os
import re
import signal
from dataclasses import replace
from itertools import product

import pytest

from tests.kit.mesh import PORTS, Mesh, until
from tests.kit.mesh_repository import Member, Repository
from tests.kit.mesh_traffic import status
from trustplane.cli import admin
from trustplane.main.demo.directory import free_loopback
from trustplane.wire.http_fleet import FleetShape, FleetValueShape

pytestmark = [pytest.mark.long, pytest.mark.timeout(600), pytest.mark.xdist_group("traffic")]

CALLERS, CALLEES = 6, 5


def test_a_callee_that_nobody_lets_in_is_named(mesh: Mesh) -> None:
    callees = [f"callee-{number}" for number in range(CALLEES)]
    callers = [f"caller-{number}" for number in range(CALLERS)]
    # On one node each: where it may run it has a certificate, and the newest is the one that is revoked.
    placed = mesh.members(*callers, *callees, **dict.fromkeys(callers, callees))
    members = tuple(replace(one, nodes=("east" if one.name in callers else "west",)) for one in placed)
    mesh.start_server()
    mesh.apply(Repository(members))
    east = mesh.join("east")
    west = mesh.join("west", address=free_loopback(PORTS))
    mesh.start_sidecars(*members[:CALLERS], node=east)
    mesh.start_sidecars(*members[CALLERS:], node=west)
    until(mesh.server.all_held, "everyone holds what they should")
    links = list(product(members[:CALLERS], callees))
    until(lambda: all(answers(mesh, *link) == 200 for link in links), "everyone reaches everyone")
    socket = ("--server-socket", str(mesh.server.admin))

    def found() -> FleetShape:
        return admin.server(mesh.server.admin).get("/v1/handshakes/fleet", FleetShape)

    # What worked is told once a minute, and without it nothing can be compared.
    until(lambda: found().links == CALLERS * CALLEES, "what worked is counted", within=150)
    os.kill(west.part.pid, signal.SIGSTOP)  # so that it cannot give the callee another certificate
    broken = members[CALLERS]
    serial = mesh.ask("explain", broken.spiffe_id, *socket)["certificate"]["serial"]  # type: ignore[index] # JSON
    mesh.ask("revoke", "svid", serial, "--reason", "key-compromise", *socket)
    until(lambda: all(answers(mesh, one, callees[0]) == 503 for one in members[:CALLERS]), "nobody lets it in")
    os.kill(west.part.pid, signal.SIGCONT)

    until(lambda: found().failing_links >= CALLERS and found().findings, "all of them are told, and a value is named")
    (finding,) = found().findings
    assert FleetValueShape(dimension="server service", value="shop/callee-0") in finding.values
    assert (finding.failing_links, finding.of_failing_links, finding.links) == (CALLERS, CALLERS, CALLERS)
    assert (found().links, finding.since) == (CALLERS * CALLEES, ())
    assert set(finding.causes) == {"revoked"}
    said = mesh.run("diagnose", "--fleet", "--since", "1h", *socket).stdout
    assert re.match(r"All \d+ failures are (server )?(service|sidecar) shop/callee-0", said), said


def answers(mesh: Mesh, caller: Member, callee: str) -> int:
    return status(mesh.node.address, caller.listen(callee))
