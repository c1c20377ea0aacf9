"""Handshakes that fail between real sidecars, and why, asked of the server: no log is read.

1. Strangers come to a service: in the clear, without a certificate, with one that nobody here signed.
2. A caller's certificate is revoked: its own proxy is told nothing, the callee's knows. Both records are joined.
3. With the server away, failures wait on the node's disk; the agent is killed, and none is lost or counted twice.
4. The agent is killed while handshakes fail, and is away for more: what is told and what is said to be lost are, taken
   together, what the proxy wrote into its log.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.ca import TestCa
from tests.kit.mesh import PORTS, Mesh, Node, until
from tests.kit.mesh_peers import REFUSED, answer, client_context, forged
from tests.kit.mesh_repository import Member, Repository
from tests.kit.mesh_traffic import status
from trustplane.cli import admin
from trustplane.main.demo.directory import free_loopback
from trustplane.wire.http_handshakes import HandshakesShape

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("traffic")]


def test_why_handshakes_failed_is_asked_of_the_server(mesh: Mesh, tmp_path: Path) -> None:
    web, pay, west = two_nodes(mesh)
    callee = (west.address, pay.mesh)
    strangers(callee, web, tmp_path)
    until(lambda: len(causes(mesh)) == 3, "three strangers are told of")
    assert causes(mesh) == {"plaintext-to-tls": 1, "no-client-certificate": 1, "unknown-issuer": 1}
    metrics = admin.server(mesh.server.admin).raw("/metrics").decode()
    labels = 'cause="plaintext-to-tls",side="server",signature="envoy-plaintext"'
    assert f"trustplane_handshake_failures_total{{{labels}}} 1.0" in metrics

    with stopped(mesh.node):  # so that it cannot give its sidecar another certificate
        revoke(mesh, web)
        until(lambda: status(mesh.node.address, web.listen("pay")) == 503, "pay refuses web")
    until(lambda: causes(mesh).get("revoked"), "both sides' records are joined")
    (found,) = [one for one in groups(mesh) if one["causes"][0]["id"] == "revoked"]  # type: ignore[index] # JSON
    said = " ".join(found["causes"][0]["evidence"])  # type: ignore[index] # JSON
    assert "server record (envoy) of shop/pay on west" in said
    assert "client record (envoy) of shop/web on east: UC" in said
    assert "was revoked at" in said, "the issuer knows the serial number"
    assert found["runbook"] == "revocation"


def test_no_record_is_lost_with_an_agent_or_a_server_and_none_counts_twice(mesh: Mesh) -> None:
    _, pay, west = two_nodes(mesh)
    callee = (west.address, pay.mesh)
    assert answer(None, *callee) == REFUSED
    until(lambda: causes(mesh) == {"plaintext-to-tls": 1}, "the first is told of")

    mesh.server.part.kill()
    for _ in range(40):
        assert answer(None, *callee) == REFUSED
    until(lambda: spooled(west) >= 40, "all are on the node's disk")
    west.part.kill()
    mesh.server.part.start()
    mesh.until_up(mesh.server.part, mesh.server.ready)
    mesh.start(west)
    until(lambda: causes(mesh) == {"plaintext-to-tls": 41}, "each is told once")
    until(lambda: not list(west.data.glob("handshakes/*.parcel")), "nothing waits any more")


def test_what_no_agent_took_is_counted(mesh: Mesh) -> None:
    _, pay, west = two_nodes(mesh)
    callee = (west.address, pay.mesh)
    for _ in range(20):
        assert answer(None, *callee) == REFUSED
    until(lambda: causes(mesh) == {"plaintext-to-tls": 20}, "all are told while the agent is there")
    for _ in range(15):
        answer(None, *callee)
    west.part.kill()
    for _ in range(40):
        assert answer(None, *callee) == REFUSED
    mesh.start(west)
    for _ in range(5):
        answer(None, *callee)
    whole = "what was told and what was lost are all that its proxy wrote"
    until(lambda: sum(told(mesh)) == logged(west) >= 80, whole, within=120)
    kept, lost = told(mesh)
    assert kept >= 20
    assert lost >= 40
    assert lost <= 55, "what an agent had written down is not lost with it"


def two_nodes(mesh: Mesh) -> tuple[Member, Member, Node]:
    """`web` in the east calls `pay` in the west, and has not done so yet."""
    web, pay = mesh.members("web", "pay", web=["pay"])
    pinned = replace(web, nodes=("east",)), replace(pay, nodes=("west",))
    mesh.start_server()
    mesh.apply(Repository(pinned))
    east = mesh.join("east")
    west = mesh.join("west", address=free_loopback(PORTS))
    mesh.start_sidecars(pinned[0], node=east)
    mesh.start_sidecars(pinned[1], node=west)
    until(mesh.server.all_held, "everyone holds what they should")
    return web, pay, west


def strangers(callee: tuple[str, int], web: Member, folder: Path) -> None:
    evil = TestCa.root("evil.example")
    for context in (None, client_context(), client_context(*forged(evil, web.spiffe_id, folder))):
        assert answer(context, *callee) == REFUSED


def revoke(mesh: Mesh, member: Member) -> None:
    socket = ("--server-socket", str(mesh.server.admin))
    serial = mesh.ask("explain", member.spiffe_id, *socket)["certificate"]["serial"]  # type: ignore[index] # JSON
    mesh.ask("revoke", "svid", serial, "--reason", "key-compromise", *socket)


@contextmanager
def stopped(node: Node) -> Iterator[None]:
    os.kill(node.part.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.part.pid, signal.SIGCONT)


def groups(mesh: Mesh) -> list[dict[str, object]]:
    found = mesh.ask("diagnose", "--since", "1h", "--server-socket", str(mesh.server.admin))
    others = found["others"]
    assert isinstance(others, list)
    return [found, *others] if found["causes"] else []


def causes(mesh: Mesh) -> dict[str, int]:
    return {one["causes"][0]["id"]: int(str(one["count"])) for one in groups(mesh)}  # type: ignore[index] # JSON


def told(mesh: Mesh) -> tuple[int, int]:
    """How many failures the server has a record of, and how many it knows that it has none of."""
    found = admin.server(mesh.server.admin).get("/v1/handshakes", HandshakesShape, seconds=3600)
    return found.failures, sum(one.dropped for one in found.losses)


def logged(node: Node) -> int:
    return node.sidecars["pay"].output.read_text().count('"log":"handshake"')


def spooled(node: Node) -> int:
    """Records on its disk: each names its service once as a sidecar's."""
    return sum(one.read_bytes().count(b"HTTP_REQUEST") for one in node.data.glob("handshakes/*.parcel"))
