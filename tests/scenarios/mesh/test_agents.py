"""An agent's life: it enrols once, comes back by itself, and says what it needs when it cannot."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.kit.ca import TestCa
from tests.kit.mesh import Mesh, Node, ends_saying, until
from tests.kit.mesh_repository import DOMAIN, Repository
from tests.kit.mesh_traffic import Traffic, status
from tests.kit.sidecars import keyed
from trustplane.cli import admin
from trustplane.flows.node.node_link import NodeIdentity
from trustplane.host.identity_file import IdentityFile
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.wire.http_shapes import AgentShape


def small_mesh(mesh: Mesh) -> Repository:
    repository = Repository(mesh.members("web", "pay", web=["pay"]))
    mesh.start_server()
    mesh.apply(repository)
    return repository


def test_an_agent_that_restarts_takes_its_sidecars_back_without_a_gap(mesh: Mesh) -> None:
    repository = small_mesh(mesh)
    node = mesh.join()
    mesh.start_sidecars(*repository.members)
    until(lambda: status(mesh.address, repository["web"].listen("pay")) == 200, "web reaches pay")
    before = node.status()
    with Traffic(mesh.address, {"pay": repository["web"].listen("pay")}) as counts:
        for _ in range(2):
            node.part.stop()
            assert {one.service for one in mesh.server.status().sidecars} == {"shop/web", "shop/pay"}
            mesh.start(node)
            until(lambda: len(_serving(node)) == 2, "both sidecars are back and hold what they should")
        until(mesh.server.all_held, "the server knows it")
    after = node.status()
    assert not counts.wrong
    assert after.node_serial == before.node_serial, "the node's identity is used again, the token is not needed"
    assert all(one.serial for one in after.entries)


def _serving(node: Node) -> list[str]:
    return [one.service for one in node.status().sidecars if one.serving]


def test_a_token_opens_once(mesh: Mesh) -> None:
    small_mesh(mesh)
    node = mesh.join()
    thief = mesh.agent("thief", "--join-token-file", str(mesh.folder / f"{node.name}.token"))
    ends_saying(thief, "error[join-token-spent]", "trustplane server token create")


def test_a_wrong_token_is_refused(mesh: Mesh) -> None:
    small_mesh(mesh)
    wrong = mesh.folder / "wrong.token"
    wrong.write_text("tpj1_" + "A" * 43)
    ends_saying(mesh.agent("node-a", "--join-token-file", str(wrong)), "error[join-token-unknown]")


def test_an_agent_without_evidence_says_which_command_helps(mesh: Mesh) -> None:
    small_mesh(mesh)
    ends_saying(mesh.agent("node-a"), "error[no-evidence]", "trustplane server token create node-a")


def test_a_node_whose_identity_expired_and_whose_token_is_spent_says_which_command_helps(mesh: Mesh) -> None:
    small_mesh(mesh)
    node = mesh.join()
    node.part.stop()
    _let_expire(node.data, mesh.bundle().read_bytes())
    node.part.start()
    until(lambda: "trustplane server token create node-a" in node.part.said(), "it says which command helps")
    assert "node-identity-expired" in node.part.said()
    mesh.token(node.name)  # into the same file
    mesh.until_up(node.part, node.ready)
    assert node.status().node_serial is not None


def _let_expire(data: Path, bundle: bytes) -> None:
    ca = TestCa.root(DOMAIN).intermediate()
    at = datetime.now(UTC)  # noqa: TID251 - the processes under test have the machine's clock
    old = keyed(
        ca,
        f"spiffe://{DOMAIN}/trustplane/agent/node-a",
        not_before=at - timedelta(hours=2),
        not_after=at - timedelta(hours=1),
    )
    IdentityFile(data).save(NodeIdentity(old, at - timedelta(hours=1), bundle))


def test_an_agent_that_was_told_of_another_root_believes_no_server(mesh: Mesh) -> None:
    small_mesh(mesh)
    token = mesh.token("node-a")
    other = Bundle(TrustDomain(DOMAIN), (TestCa.root(DOMAIN).certificate,), ())
    (mesh.folder / "bundle.json").write_bytes(bundle_document.encode(other))
    node = mesh.agent("node-a", "--join-token-file", str(token))
    node.part.start()
    until(lambda: "not enrolled yet" in node.part.said(), "it says that it cannot enrol")
    assert node.part.alive()
    assert not node.status().entries
    assert not mesh.server.status().agents


def test_a_banned_agent_is_cut_off_and_stays_out(mesh: Mesh) -> None:
    small_mesh(mesh)
    node = mesh.join()
    until(lambda: mesh.server.status().agents[0].connected, "its stream is open")
    banned = admin.server(mesh.server.admin).post("/v1/agents/node-a/ban", AgentShape)
    assert banned.banned
    until(lambda: not mesh.server.status().agents[0].connected, "its stream is cut")
    until(lambda: "agent-banned" in (node.status().server_error or ""), "it says why")
    node.part.stop()
    shutil.rmtree(node.data)
    mesh.token("node-a")
    ends_saying(node, "error[agent-banned]")
