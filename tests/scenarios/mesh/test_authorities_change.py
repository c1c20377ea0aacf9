"""Issuing authorities and JWT keys take over from each other under traffic, with the shortest lives they may have."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.kit.mesh import ENROLMENT_PORT, NODE_PORT, Mesh, until
from tests.kit.mesh_peers import shown_by
from tests.kit.mesh_repository import DOMAIN, Member, Repository
from tests.kit.mesh_traffic import Traffic, status
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.jwt_svid import JwtSvid
from trustplane.wire.workload_client import WorkloadClient

# The command lets JWT keys live no shorter than half an hour, because federated peers must have time to fetch them.
_SERVER = """
import sys
from datetime import timedelta
from pathlib import Path
from trustplane.main.server import run
from trustplane.main.settings import HostPort, ServerSettings
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.trust.lifecycle import Lifetimes
folder, domain, address, node_port, enrolment_port = sys.argv[1:]
short = timedelta(minutes=2)
run(ServerSettings(
    data_dir=Path(folder) / "server-1", trust_domain=TrustDomain(domain), instance=NodeName("server-1"),
    admin_socket=Path(folder) / "server-1.sock",
    listen_node=HostPort(address, int(node_port)), listen_enrolment=HostPort(address, int(enrolment_port)),
    lifetimes=Lifetimes(issuing=short, jwt=short, publish_ahead=timedelta(seconds=20)),
))
"""
CHANGED_WITHIN = 150.0


@pytest.mark.long
@pytest.mark.timeout(300)
def test_new_authorities_take_over_and_nobody_notices(mesh: Mesh) -> None:
    ports = (str(NODE_PORT), str(ENROLMENT_PORT))
    mesh.adopt_server([sys.executable, "-c", _SERVER, str(mesh.folder), DOMAIN, mesh.address, *ports])
    members = mesh.members("web", "pay", web=["pay"])
    tester = Member("tester", 2, Path(os.path.realpath(sys.executable)))
    repository = Repository((*members, tester), lifetime="20s")
    mesh.apply(repository)
    mesh.join()
    mesh.start_sidecars(*members)
    port = repository["web"].listen("pay")
    until(lambda: status(mesh.address, port) == 200, "web reaches pay")

    issuer, kid = issuer_of(mesh, repository["pay"]), key_of_tokens(mesh)
    published = kids(bundle_document.decode(mesh.bundle().read_bytes(), TrustDomain(DOMAIN)))
    assert published == {kid}
    with Traffic(mesh.address, {"pay": port}) as counts:
        # The next key is published before it signs, so that whoever verifies knows it in time.
        until(lambda: len(kids(now_published(mesh))) == 2, "the next JWT key is published", CHANGED_WITHIN)
        assert key_of_tokens(mesh) == kid
        until(lambda: issuer_of(mesh, repository["pay"]) != issuer, "leaves have another issuer", CHANGED_WITHIN)
        until(lambda: key_of_tokens(mesh) != kid, "tokens have another key", CHANGED_WITHIN)
        until(mesh.node.ready, "every identity is there")
    assert not counts.wrong
    assert key_of_tokens(mesh) in kids(now_published(mesh))
    states = {(one.kind, one.state) for one in mesh.server.status().authorities}
    assert ("issuing", "active") in states
    assert ("issuing", "draining") in states


def issuer_of(mesh: Mesh, member: Member) -> bytes:
    """The issuing certificate that the sidecar shows now."""
    return shown_by(f"{mesh.address}:{member.mesh}").der()[1]


def now_published(mesh: Mesh) -> Bundle:
    return bundle_document.decode(mesh.bundle().read_bytes(), TrustDomain(DOMAIN))


def kids(bundle: Bundle) -> set[str]:
    return {one.kid for one in bundle.jwt_authorities}


def key_of_tokens(mesh: Mesh) -> str:
    async def fetch() -> str:
        async with WorkloadClient(f"unix://{mesh.node.workload}") as client:
            return (await client.fetch_jwt(["anyone"]))[0].token

    kid = JwtSvid.parse(asyncio.run(fetch())).kid
    assert kid is not None
    return kid
