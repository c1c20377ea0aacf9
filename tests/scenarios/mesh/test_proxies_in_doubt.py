"""Real sidecars that say one thing and do another, or say nothing any more: found, named, and waited for."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.kit.ca import TestCa
from tests.kit.mesh import Mesh, Part, until
from tests.kit.mesh_repository import Member, Repository
from tests.kit.mesh_traffic import application, status
from trustplane.cli import admin
from trustplane.wire.http_rotation_shapes import BundleStatusShape, RotationStatusShape, WaitingShape
from trustplane.xds.resources import typed

LIFE = "60s"
FOUND_WITHIN = 60.0
PAY, LATE, EDITED = "sidecar shop/pay", "sidecar shop/late", "sidecar shop/edited"


def started(mesh: Mesh) -> tuple[Member, ...]:
    mesh.start_server("--node-lifetime", LIFE)
    members = mesh.members("web", "pay", "late", "edited", web=["pay"])
    mesh.apply(Repository(members, lifetime=LIFE))
    mesh.join()
    return members


def envoy_of(sidecar: Part) -> int:
    found = re.search(r"envoy runs as pid (\d+)", sidecar.said())
    assert found, sidecar.said()
    return int(found[1])


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """It lives, its connections are open, and it does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def with_a_root_of_its_own(mesh: Mesh, member: Member) -> Part:
    """A sidecar whose bootstrap somebody edited: beside what it is served, it trusts a root written there by hand."""
    place = mesh.folder / f"run-{member.name}"
    place.mkdir()
    words = ("sidecar", member.service, "--xds-socket", str(mesh.node.xds), "--run-dir", str(place))
    made = json.loads(mesh.run(*words, "--print-bootstrap").stdout)
    root = TestCa.root(mesh.domain).certificate.public_bytes(Encoding.PEM).decode()
    trusting = {"validation_context": {"trusted_ca": {"inline_string": root}}}
    context = typed("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", common_tls_context=trusting)
    cluster = {"name": "by-hand", "type": "STATIC", "transport_socket": {"name": "tls", "typed_config": context}}
    made["static_resources"]["clusters"].append(cluster)
    written = place / "edited.json"
    written.write_text(json.dumps(made))
    return mesh.background("edited", [str(member.executable), "--config-path", str(written), "--disable-hot-restart"])


def waiting(mesh: Mesh) -> dict[str, WaitingShape]:
    found = admin.server(mesh.server.admin).get("/v1/rotation", RotationStatusShape).waiting
    return {one.participant.removesuffix(" on node-a"): one for one in found if one.participant}


def phase(mesh: Mesh) -> str:
    found = admin.server(mesh.server.admin).get("/v1/rotation", RotationStatusShape).rotation
    return found.phase if found else ""


def waive(mesh: Mesh, sidecar: str) -> None:
    excuse = ("--reason", "known", "--owner", "shop", "--until", "2027-01-01")
    mesh.ask("rotate", "waive", f"{sidecar} on node-a", *excuse, "--server-socket", str(mesh.server.admin))


def doubts(mesh: Mesh) -> dict[str, str]:
    found = admin.server(mesh.server.admin).get("/v1/bundle-status", BundleStatusShape)
    return {one.participant: one.refusal or "" for one in found.holders if one.in_doubt}


@pytest.mark.long
@pytest.mark.timeout(200)
def test_a_stopped_a_contradicting_and_a_refusing_sidecar_are_named_and_a_change_of_root_waits(mesh: Mesh) -> None:
    web, pay, late, edited = started(mesh)
    server = ("--server-socket", str(mesh.server.admin))
    with application("edited", mesh.address, edited.app), socket.socket() as taken:
        mesh.start_sidecars(web, pay)
        until(lambda: status(mesh.address, web.listen("pay")) == 200, "web reaches pay")
        taken.bind((mesh.address, late.mesh))
        taken.listen()
        mesh.sidecar(late, mesh.node)
        with_a_root_of_its_own(mesh, edited)
        until(lambda: "which is not in it" in doubts(mesh).get(EDITED, ""), "what was written by hand is found")
        with stopped(envoy_of(mesh.node.sidecars["pay"])):
            mesh.ask("rotate", "start", "--reason", "yearly", *server)
            found = until_doubted(mesh, PAY, EDITED)
            verified = mesh.run("bundle", "verify", *server)
        assert "its process is stopped (state T)" in (found[PAY].refusal or "")
        assert "on node-a: look at that proxy's process" in found[PAY].unblock
        assert verified.returncode == 1
        assert "sidecar shop/pay on node-a" in verified.stderr
        waive(mesh, EDITED)
        until(lambda: set(waiting(mesh)) == {LATE}, "who listens again is not waited for, who refused its listener is")
        assert "Address already in use" in (waiting(mesh)[LATE].refusal or "")
        assert "refused what it was sent" in waiting(mesh)[LATE].unblock
        waive(mesh, LATE)
        until(lambda: phase(mesh) in {"switch", "drain"}, "the change goes on")
    events = [(str(one["event"]), one["thing"]) for one in audited(mesh) if str(one["event"]).startswith("proxy-")]
    assert {("proxy-in-doubt", "proxy/xds"), ("proxy-no-longer-in-doubt", "proxy/xds")} <= set(events)


def until_doubted(mesh: Mesh, *sidecars: str) -> dict[str, WaitingShape]:
    """Those and nobody else are waited for, because they are in doubt."""

    def doubted() -> bool:
        found = waiting(mesh)
        return set(found) == set(sidecars) and all(one.code == "doubt" for one in found.values())

    until(doubted, f"{sidecars} are waited for, and it is known why", FOUND_WITHIN)
    return waiting(mesh)


def audited(mesh: Mesh) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    while len(found) % 1000 == 0:
        words = ("--start", str(len(found)), "--limit", "1000", "--server-socket", str(mesh.server.admin))
        page = mesh.ask("audit", "show", *words)["entries"]
        assert isinstance(page, list)
        assert page
        found += page
    return found
