"""Services pinned to two nodes: calls cross between them, and each node knows only what is its own."""

from __future__ import annotations

from dataclasses import replace

from tests.kit.mesh import PORTS, Mesh, access_log, until
from tests.kit.mesh_repository import Repository
from tests.kit.mesh_traffic import call, status
from trustplane.main.demo.directory import free_loopback


def test_calls_cross_from_node_to_node(mesh: Mesh) -> None:
    web, pay, ledger = mesh.members("web", "pay", "ledger", web=["pay"], pay=["ledger"])
    pinned = replace(web, nodes=("east",)), replace(pay, nodes=("west",)), replace(ledger, nodes=("east",))
    repository = Repository(pinned)
    mesh.start_server()
    mesh.apply(repository)
    east = mesh.join("east")
    west = mesh.join("west", address=free_loopback(PORTS))
    mesh.start_sidecars(pinned[0], pinned[2], node=east)
    mesh.start_sidecars(pinned[1], node=west)

    until(lambda: status(east.address, web.listen("pay")) == 200, "web in the east reaches pay in the west")
    until(lambda: status(west.address, pay.listen("ledger")) == 200, "pay in the west reaches ledger in the east")
    assert call(east.address, web.listen("pay")) == (200, "pay")

    assert [one.service for one in west.status().entries] == ["shop/pay"], "a node gets no identity but its own"
    assert sorted(one.service for one in east.status().entries) == ["shop/ledger", "shop/web"]
    log = west.sidecars["pay"]
    until(
        lambda: any(_is_mtls_from(web.spiffe_id, line) for line in access_log(log)), "the callee's log names the caller"
    )
    until(mesh.server.all_held, "everyone holds what they should")


def _is_mtls_from(caller: str, line: dict[str, object]) -> bool:
    return line.get("peer_id") == caller and line.get("tls_version") == "TLSv1.3"
