"""Two organisations on one machine, each with its own server, agent and Envoys: who may call across, and until when."""

from __future__ import annotations

from tests.kit.mesh import Mesh, access_log, until
from tests.kit.mesh_repository import DOMAIN
from tests.kit.mesh_traffic import call
from tests.kit.two_meshes import PARTNER, all_hold, federated, known


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
