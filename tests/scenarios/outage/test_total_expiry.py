"""Everything of a node has expired: while no server was there, or while the agent slept. It comes back by itself."""

from __future__ import annotations

import os
import signal
import sqlite3
from datetime import timedelta

import pytest

from tests.kit.mesh import Mesh, Node, until
from tests.kit.mesh_outage import now, renewed, serials, served_mesh
from tests.kit.mesh_traffic import status
from trustplane.fault import Fault
from trustplane.host.identity_file import IdentityFile

pytestmark = pytest.mark.scenario

SHORT = timedelta(seconds=20)


def everything_expired(node: Node) -> bool:
    found = node.status()
    expired = found.node_expires_at is None or found.node_expires_at < now()
    return expired and all(one.not_after is not None and one.not_after < now() for one in found.entries)


def reasons(node: Node) -> set[str]:
    return {one.code for one in node.status().reasons}


def test_an_outage_longer_than_every_identity_is_recovered_from_without_a_command(mesh: Mesh) -> None:
    repository, node = served_mesh(mesh, "--node-lifetime", "20s", lifetime=SHORT)
    port = repository["web"].listen("pay")
    mesh.server.part.kill()
    until(lambda: reasons(node) & {"svid-expires-soon", "node-svid-expires-soon"}, "red before anything is lost")
    assert status(mesh.address, port) == 200, "and nothing is lost yet"
    assert not node.ready()
    before = serials(node)
    until(lambda: everything_expired(node), "all has expired")
    assert "svid-missing" in reasons(node)
    mesh.server.part.start()
    until(lambda: status(mesh.address, port) == 200, "web reaches pay again", within=90)
    until(lambda: renewed(node, before), "every leaf is new")
    until(node.ready, "and all is well")
    assert mesh.server.status().agents[0].evidence.startswith("expired-svid:")


@pytest.mark.long
def test_an_agent_that_slept_past_every_expiry_renews_as_soon_as_it_wakes(mesh: Mesh) -> None:
    repository, node = served_mesh(mesh, "--node-lifetime", "20s", lifetime=SHORT)
    port = repository["web"].listen("pay")
    found = node.status()
    last = max([found.node_expires_at or now(), *(one.not_after or now() for one in found.entries)])
    os.kill(node.part.pid, signal.SIGSTOP)
    until(lambda: now() > last, "all has expired")
    os.kill(node.part.pid, signal.SIGCONT)
    until(lambda: renewed(node, {one.serial for one in found.entries}), "every leaf is new")
    until(lambda: status(mesh.address, port) == 200, "web reaches pay again")
    until(node.ready, "and all is well")


def test_what_cannot_come_back_says_which_command_helps_and_takes_the_token_without_a_restart(mesh: Mesh) -> None:
    _, node = served_mesh(mesh, "--node-lifetime", "20s", lifetime=SHORT)
    node.part.stop()
    identity = IdentityFile(node.data).load()
    assert identity is not None
    until(lambda: identity.keyed.svid.not_after < now(), "the node's identity has expired")
    _forget_what_was_issued(mesh)
    node.part.start()
    until(lambda: _says_the_command(node), "status names the command")
    assert "trustplane server token create node-a" in node.part.said()
    mesh.token("node-a")
    mesh.nodes["node-a"] = node
    until(node.ready, "it took up the token", within=60)


def _forget_what_was_issued(mesh: Mesh) -> None:
    """As a database restored from a backup of before: this server has never heard of the node's newest identity."""
    mesh.server.part.stop()
    with sqlite3.connect(mesh.server.data / "trustplane.db") as database:
        database.execute("delete from certificates where purpose = 'node'")
    mesh.server.part.start()
    mesh.until_up(mesh.server.part, mesh.server.ready)


def _says_the_command(node: Node) -> bool:
    try:
        return any("trustplane server token create node-a" in one.fix for one in node.status().reasons)
    except Fault:
        return False
