"""Two organisations on one machine, each with its own server, agent and Envoys, and a relation both ways."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.kit.mesh import FEDERATION_PORT, Mesh, Server
from tests.kit.mesh_repository import DOMAIN, Member, Repository
from tests.kit.mesh_traffic import status
from trustplane.cli import admin
from trustplane.wire.http_federation_shapes import FederationShape, PeerShape

PARTNER = "partner.example"
CALLS = "foreign_calls:\n  {callee}: {{listen: {listen}, endpoints: ['{address}:{port}']}}\n"


def relation(server: Server, domain: str, accepts: str) -> str:
    """Lines of the other side's trustdomain.yaml: the server as an https_spiffe endpoint."""
    return (
        f"refresh_hint: 5s\nfederation:\n  {domain}:\n    endpoint: https://{server.address}:{FEDERATION_PORT}/bundle\n"
        f"    profile: https_spiffe\n    endpoint_id: spiffe://{domain}/trustplane/server/{server.name}\n"
        f"    accepts: [{accepts}]\n"
    )


def started(mesh: Mesh, *options: str) -> Server:
    return mesh.start_server("--listen-federation", f"{mesh.address}:{FEDERATION_PORT}", *options)


def known(mesh: Mesh, domain: str) -> PeerShape:
    found = admin.server(mesh.server.admin).get("/v1/federation", FederationShape)
    return next(one for one in found.peers if one.trust_domain == domain)


def all_hold(mesh: Mesh, domain: str) -> bool:
    peer = known(mesh, domain)
    return len(peer.holders) == 2 and all(one.state == "holds it" for one in peer.holders)


def calling(member: Member, pay: Member, address: str) -> Member:
    more = CALLS.format(callee=pay.spiffe_id, listen=member.app + 5, address=address, port=pay.mesh)
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


@dataclass(frozen=True)
class BothWays:
    """Our pay and their api call each other."""

    ours: Mesh
    theirs: Mesh
    pay: Member
    api: Member


def calling_each_other(ours: Mesh, theirs: Mesh, lifetime: str) -> BothWays:
    us, them = (started(mesh, "--node-lifetime", lifetime) for mesh in (ours, theirs))
    (pay,), (api,) = ours.members("pay"), theirs.members("api")
    both = BothWays(ours, theirs, pay, api)
    _apply(ours, _open(pay, api, theirs.address), relation(them, PARTNER, "/ns/billing/"), theirs, lifetime)
    _apply(theirs, _open(api, pay, ours.address), relation(us, DOMAIN, "/ns/shop/"), ours, lifetime)
    ours.join("node-a")
    theirs.join("node-b")
    ours.start_sidecars(pay)
    theirs.start_sidecars(api)
    return both


def _open(member: Member, other: Member, address: str) -> Member:
    """It lets the other one in, and calls it."""
    let_in = f"foreign_callers:\n  {other.spiffe_id}: {{operations: [charge]}}\n"
    found = calling(member, other, address)
    return replace(found, more=let_in + found.more)


def _apply(mesh: Mesh, member: Member, terms: str, other: Mesh, lifetime: str) -> None:
    mesh.apply(
        Repository(
            (member,),
            lifetime=lifetime,
            domain=mesh.domain,
            namespace=mesh.namespace,
            more=terms,
            further={f"federation/{other.domain}.json": other.bundle().read_text()},
        )
    )
