"""Runbooks for what time does: certificates end, clocks differ, a root is old. Each has a mesh of its own."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.kit.mesh import ENROLMENT_PORT, NODE_PORT, Mesh, until
from tests.kit.mesh_peers import REFUSED
from tests.kit.runbook_stand import Stand, connected
from tests.kit.tree import ROOT
from tests.kit.wrong_clock import WrongClock
from tests.scenarios.runbooks.test_what_is_declared import robot_calls
from trustplane.main.rehearsals.server import Shifted

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
LIFE = "40s"
CHANGED_WITHIN = 240.0
TOKEN = re.compile(r"tpj[0-9]*_[A-Za-z0-9_-]+")


@pytest.fixture
def mesh(socket_dir: Path) -> Iterator[Mesh]:
    socket_dir.chmod(0o755)
    with Mesh(socket_dir, drain="1s") as one:
        yield one
        sys.stderr.write(one.last_words())


def active_issuer(stand: Stand) -> str:
    known = stand.mesh.server.status().authorities
    return next(one.id for one in known if one.kind == "issuing" and one.state == "active")


def test_expired_certificate(mesh: Mesh) -> None:
    """An agent is away for longer than leaves live."""
    stand = Stand.of(mesh, lifetime=LIFE)
    loot = stand.loot()
    with stand.play("expired-certificate", AUTHORITY=active_issuer(stand)) as play:
        stand.node.part.kill()
        until(lambda: robot_calls(stand, loot) == REFUSED, "the robot's certificate has ended")
        said = play.types("What is it", {"trustplane probe <HOST:PORT>": 3})
        assert "leaf-expired" in said["trustplane diagnose <LOGFILE>"]
        play.types("Leaf", {"trustplane agent status": 3})
        play.by_hand("start it, and it renews by itself", stand.node.part.start)
        play.is_over(lambda said: connected(said[1]))
        play.types("Issuing authority or root")
    until(lambda: robot_calls(stand, stand.loot()) == "200", "the robot is let in again")


def test_renewal_late(mesh: Mesh) -> None:
    """No server issues; leaves come to the end of their lives one after the other."""
    stand = Stand.of(mesh, lifetime="90s", renew="10%-20%")
    with stand.play("renewal-late") as play:
        mesh.server.part.kill()
        until(lambda: stand.node.status().reasons, "the agent says that something is late")
        away = {"trustplane status": 1, "trustplane server status": 3}
        play.types("What is it", away)
        play.types("Every cohort fails", away)
        assert stand.answered() == 200, "what is late is still valid"
        play.types("One cluster, or one node", {**away, "trustplane agent status": 1})
        play.types("One identity", {"trustplane explain <ID>": 3})
        play.by_hand("The servers or their database are away", mesh.server.part.start)
        play.is_over(lambda said: connected(said[0]))


def test_served_not_issued(mesh: Mesh) -> None:
    """A proxy is stopped while its leaf is renewed: what it holds is not what was issued last."""
    stand = Stand.of(mesh, lifetime="3m", renew="10%-15%")
    with stand.play("served-not-issued") as play:
        stand.stop("pay")
        until(lambda: not stand.all_held(), "what is held differs from what was issued")
        said = play.types("What is it", {"trustplane probe <HOST:PORT>": 1})
        assert "shop/pay" in said["trustplane status"]
        play.types("The agent has it and the proxy has not")
        play.by_hand("is a process that was stopped: let it go on, and it takes the leaf", lambda: stand.go_on("pay"))
        play.types("The agent has not got it")

        def serial(text: str) -> str:
            return next(line.split()[1] for line in text.splitlines() if line.startswith("serial"))

        play.is_over(lambda said: serial(said[1].text)[:12] in said[0])
    until(lambda: stand.answered() == 200, "web reaches pay")


def test_clocks(mesh: Mesh) -> None:
    """The clock of a node is set five minutes ahead."""
    clock = WrongClock(mesh.folder)
    stand = Stand.of(mesh, lifetime="60s", renew="10%-20%", environment=clock.environment)
    loot = stand.loot()
    with stand.play("clocks", CHAIN=loot / "svid.pem") as play:
        clock.set(timedelta(minutes=5))
        until(lambda: abs(stand.node.status().clock_skew_seconds or 0) > 60, "it is measured to be off")
        assert "ahead of the server's" in play.types("What is it", {"trustplane status": 1})["trustplane status"]
        play.by_hand("see that its time service runs (`timedatectl`), and let it step", lambda: clock.set(timedelta(0)))
        play.types("Set it right")
        play.is_over(lambda said: "ahead of the server's" not in said[0])


def test_control_plane(mesh: Mesh) -> None:
    """A node's disk was replaced, and with it went its identity; then the server comes back from a crash."""
    stand = Stand.of(mesh)
    values = {"FORMAT": "nginx", "FILE": ROOT / "tests/transcripts/logs/nginx.log"}
    with stand.play("control-plane", None, **values) as play:
        stand.node.part.kill()
        shutil.rmtree(stand.node.data)
        stand.node.part.start()
        until(lambda: not stand.node.part.alive(), "without identity and with a token that is spent it ends")
        assert "join-token-spent" in stand.node.part.said()
        play.types("What is it", {"trustplane agent status": 3})
        said = play.types("The agent's identity has run out")
        token = TOKEN.search(said["trustplane server token create <NODE>"].text)
        assert token
        (mesh.folder / "node-a.token").write_text(token[0])
        mesh.start(stand.node)
        mesh.server.part.kill()
        play.by_hand("Start it: it issues its own before it serves.", mesh.server.part.start)
        mesh.until_up(mesh.server.part, mesh.server.ready)
        play.types("The server's identity has run out")
        play.types("Other meshes")
        play.is_over(lambda said: connected(said[0]))


def test_chain_ends(mesh: Mesh) -> None:
    """The root ends in three days: it is changed while everybody goes on, and the new one is of today."""
    name, folder = "server-1", mesh.folder
    before = Shifted(
        trust_domain=mesh.domain,
        data_dir=str(folder / name),
        socket=str(folder / f"{name}.sock"),
        nodes=f"{mesh.address}:{NODE_PORT}",
        enrolment=f"{mesh.address}:{ENROLMENT_PORT}",
        ahead_seconds=-timedelta(days=3647).total_seconds(),
    )
    program = [sys.executable, "-m", "trustplane.main.rehearsals.server", msgspec.json.encode(before).decode()]
    mesh.adopt_server(program, name).part.stop()
    stand = Stand.of(mesh, "--node-lifetime", "20s", lifetime="20s")
    old = {one.id: one.not_after for one in mesh.server.status().authorities if one.kind == "root"}
    with stand.play("chain-ends") as play:
        play.types("What is it")
        play.types("The root")

        def has_left() -> bool:
            roots = [one for one in mesh.server.status().authorities if one.kind == "root" and one.state != "retired"]
            return not {one.id for one in roots} & old.keys() and all(
                one.not_after > max(old.values()) for one in roots
            )

        until(has_left, "the old root has left", CHANGED_WITHIN)
        play.values["AUTHORITY"] = active_issuer(stand)
        play.types("The issuing authority or the JWT key")
        play.is_over()
    until(lambda: stand.answered() == 200, "web reaches pay")
