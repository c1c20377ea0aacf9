"""Two organisations on one machine, each with its own server, agent and Envoys: who may call across, and until when."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.kit.mesh import FEDERATION_PORT, Mesh, Server, access_log, until
from tests.kit.mesh_repository import DOMAIN, Member, Repository
from tests.kit.mesh_traffic import call, status
from trustplane.cli import admin
from trustplane.wire.http_federation_shapes import FederationShape, PeerShape

PARTNER = "partner.example"
CALLS_OURS = "foreign_calls:\n  {callee}: {{listen: {listen}, endpoints: ['{address}:{port}']}}\n"


@pytest.fixture
def ours(socket_dir: Path) -> Iterator[Mesh]:
    with Mesh(_made(socket_dir / "a"), drain="1s") as one:
        yield one
        sys.stderr.write(one.last_words())


@pytest.fixture
def theirs(socket_dir: Path) -> Iterator[Mesh]:
    with Mesh(_made(socket_dir / "b"), PARTNER, "billing", drain="1s") as one:
        yield one
        sys.stderr.write(one.last_words())


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def relation(server: Server, domain: str, accepts: str) -> str:
    """Lines of the other side's trustdomain.yaml: the server as an https_spiffe endpoint."""
    return (
        f"refresh_hint: 5s\nfederation:\n  {domain}:\n    endpoint: https://{server.address}:{FEDERATION_PORT}/bundle\n"
        f"    profile: https_spiffe\n    endpoint_id: spiffe://{domain}/trustplane/server/{server.name}\n"
        f"    accepts: [{accepts}]\n"
    )


def started(mesh: Mesh) -> Server:
    return mesh.start_server("--listen-federation", f"{mesh.address}:{FEDERATION_PORT}")


def known(mesh: Mesh, domain: str) -> PeerShape:
    found = admin.server(mesh.server.admin).get("/v1/federation", FederationShape)
    return next(one for one in found.peers if one.trust_domain == domain)


def all_hold(mesh: Mesh, domain: str) -> bool:
    peer = known(mesh, domain)
    return len(peer.holders) == 2 and all(one.state == "holds it" for one in peer.holders)


def calling(member: Member, pay: Member, address: str) -> Member:
    more = CALLS_OURS.format(callee=pay.spiffe_id, listen=member.app + 5, address=address, port=pay.mesh)
    return replace(member, more=more)


@dataclass(frozen=True)
class Two:
    """Both organisations, and who of them there is. `apart`: our repository without the relation."""

    ours: Mesh
    theirs: Mesh
    pay: Member
    api: Member
    spy: Member
    apart: Repository

    def asked_by(self, caller: Member) -> int:
        """The status our pay answers the partner's service."""
        return status(self.theirs.address, caller.app + 5)


def federated(ours: Mesh, theirs: Mesh) -> Two:
    """Each hands its bundle to the other by another way than the network: a file in the other's repository."""
    us, them = started(ours), started(theirs)
    (pay,) = ours.members("pay")
    api, spy = theirs.members("api", "spy")
    let_in = replace(pay, more=f"foreign_callers:\n  {api.spiffe_id}: {{operations: [charge]}}\n")
    ours.apply(
        Repository(
            (let_in,),
            more=relation(them, PARTNER, "/ns/billing/"),
            further={f"federation/{PARTNER}.json": theirs.bundle().read_text()},
        )
    )
    theirs.apply(
        Repository(
            (calling(api, pay, ours.address), calling(spy, pay, ours.address)),
            domain=PARTNER,
            namespace="billing",
            more=relation(us, DOMAIN, "/ns/shop/"),
            further={f"federation/{DOMAIN}.json": ours.bundle().read_text()},
        )
    )
    ours.join("node-a")
    theirs.join("node-b")
    ours.start_sidecars(pay)
    theirs.start_sidecars(api, spy)
    return Two(ours, theirs, pay, api, spy, Repository((pay,)))


def test_a_partners_declared_service_calls_ours_until_the_relation_ends(ours: Mesh, theirs: Mesh) -> None:
    # 1. Two trust domains, each with its own root, server, agent and Envoys.
    two = federated(ours, theirs)
    socket = ("--server-socket", str(ours.server.admin))

    # 2. A call across, with mutual TLS under two roots, and the caller's own name in our log.
    until(lambda: two.asked_by(two.api) == 200, "the partner's api reaches our pay")
    assert call(theirs.address, two.api.app + 5) == (200, "pay")
    log = ours.node.sidecars["pay"]
    until(lambda: any(one.get("peer_id") == two.api.spiffe_id for one in access_log(log)), "our log names the caller")

    # 3. Of the same organisation, who is not declared: verified, named, and refused.
    assert two.asked_by(two.spy) == 403

    # 4. Both sides fetch each other's bundle, and everyone who should holds it.
    until(lambda: known(ours, PARTNER).asked_at and not known(ours, PARTNER).failure, "our server fetched theirs")
    until(lambda: known(theirs, DOMAIN).asked_at and not known(theirs, DOMAIN).failure, "theirs fetched ours")
    until(lambda: all_hold(ours, PARTNER), "our agent and our sidecar hold the partner's bundle")
    told = ours.run("federation", "status", *socket)
    assert (told.returncode, "2 of 2 participants" in told.stdout) == (0, True)

    # 5. Their server dies: that is said, and costs nothing.
    theirs.server.part.kill()
    asked = ours.run("federation", "refresh", PARTNER, *socket)
    assert (asked.returncode, "error[endpoint-unreachable]" in asked.stdout) == (1, True)
    assert call(theirs.address, two.api.app + 5) == (200, "pay")

    # 6. The relation ends: the next request is refused, then the next handshake, and nobody holds the bundle.
    ours.apply(two.apart)
    until(lambda: two.asked_by(two.api) != 200, "the partner's api is refused")
    until(lambda: not known(ours, PARTNER).holders, "nobody of ours holds the partner's bundle")
    assert known(ours, PARTNER).ended_at is not None
    until(lambda: two.asked_by(two.api) == 503, "no handshake with the partner's api comes about")
