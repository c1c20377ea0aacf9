"""Runbooks for what is presented: played with real handshakes against a sidecar, each against the fault it ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kit.ca import TestCa
from tests.kit.mesh import until
from tests.kit.mesh_peers import answer, client_context, forged, impostor, openssl
from tests.kit.runbook_stand import Stand
from tests.scenarios.runbooks.test_what_is_declared import robot_calls, tried
from trustplane.knowledge.search import MAX_QUERY

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
PORT = 24_990
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)


def test_revocation(stand: Stand) -> None:
    robot = stand.repository["robot"]
    loot = stand.loot()
    words = ("revoke", "id", robot.spiffe_id, "--reason", "privilege-withdrawn", "--server-socket")
    assert stand.mesh.run(*words, str(stand.mesh.server.admin)).returncode == 0
    until(lambda: robot_calls(stand, loot) != "200", "the robot is refused")
    leaves = {
        "trustplane diagnose <LOGFILE> --chain <CHAIN> --crl <CRL>": "it asks for a list as a file",
        "trustplane server status": "of a list that has ended, which a server that runs does not have",
    }
    with stand.play("revocation", leaves, ID=robot.spiffe_id) as play:
        assert robot.spiffe_id in play.types_one("trustplane audit show")
        play.types("Revoked")
        play.is_over()
    until(lambda: robot_calls(stand, stand.loot()) == "200", "the robot is let in again")


def test_unknown_issuer(stand: Stand) -> None:
    """The holder of a certificate serves its leaf without the authority between it and the root."""
    loot, roots, log = stand.loot(), stand.roots(), stand.mesh.folder / "openssl.log"
    whole = (loot / "svid.pem").read_text()
    (loot / "svid.pem").write_text(_CERTIFICATE.findall(whole)[0])
    files = {"BUNDLE": roots, "CHAIN": loot / "svid.pem", "LOGFILE": log, "DIR": loot}
    with stand.play("unknown-issuer", None, ID=stand.repository["robot"].spiffe_id, **files) as play:
        play.values["HOST:PORT"] = f"{stand.mesh.address}:{PORT}"
        with impostor(stand.mesh.address, PORT, loot / "svid.pem", loot / "key.pem"):
            said = openssl("s_client", "-connect", play.values["HOST:PORT"], "-CAfile", str(loot / "bundle.pem"))
            log.write_text(said.stdout + said.stderr)
            ends = {
                "trustplane probe <HOST:PORT> --bundle <BUNDLE>": 1,
                "trustplane svid verify <CHAIN> --bundle <BUNDLE>": 1,
            }
            said_of = play.types("What is it", ends)
        assert "missing-intermediate" in said_of["trustplane probe <HOST:PORT> --bundle <BUNDLE>"]
        play.types("The bundle is behind")
        play.types("It signed itself, or comes from elsewhere")
        play.types("The chain lacks its intermediate")
        play.is_over(lambda said: "verified" in said[0])
        with impostor(stand.mesh.address, PORT, loot / "svid.pem", loot / "key.pem"):
            play.types_one("trustplane probe <HOST:PORT> --bundle <BUNDLE>")


def test_hidden_rejection(stand: Stand) -> None:
    """A program presents a certificate that somebody once made for it by hand; it is told nothing."""
    robot, log = stand.repository["robot"], stand.mesh.folder / "client.log"
    chain, key = forged(TestCa.root("acme.example"), robot.spiffe_id, stand.mesh.folder)
    tried(stand, client_context(chain, key), log)
    files = {"CLIENT_LOG": log, "CHAIN": chain, "BUNDLE": stand.roots()}
    with stand.play("hidden-rejection", None, ID=robot.spiffe_id, **files) as play:
        said = play.types("What is it")
        assert "unknown-issuer" in said["trustplane diagnose <CLIENT-LOG> <SERVER-LOG>"]
        play.values["WORDS"] = "unknown-issuer"[:MAX_QUERY]
        found = play.types("Then")["trustplane runbook search <WORDS>"].text.splitlines()[1]
        assert "unknown-issuer" in found
        play.by_hand("Follow the runbook that the joined diagnosis names", stand.loot)
        play.is_over()
    assert robot_calls(stand, stand.loot()) == "200"


def _of_another(loot: Path) -> None:
    """What stays on the disk when a writer is killed between its two files."""
    other = TestCa.root("acme.example")
    _, key = forged(other, "spiffe://acme.example/ns/shop/sa/robot", loot)
    (loot / "key.pem").write_bytes(key.read_bytes())


def test_delivery(stand: Stand) -> None:
    """The agent is away when a sidecar starts; then a program has a certificate and another one's key."""
    loot, pay = stand.loot(), stand.node.sidecars["pay"]
    values = {"DIR": loot, "CHAIN": loot / "svid.pem", "KEY": loot / "key.pem"}
    with stand.play("delivery", None, **values) as play:
        stand.node.part.kill()
        assert stand.answered() == 200, "what a proxy holds it serves without its agent"
        pay.kill()
        pay.start()
        until(
            lambda: "waiting for the agent" in pay.said() and stand.answered() != 200,
            "restarted, it has nothing to serve",
        )
        play.types("What is it", {"trustplane probe <HOST:PORT>": 3})
        play.types("The agent is away", {"trustplane agent status": 3})
        play.by_hand("Start it: the sidecar comes back to it within seconds by itself.", stand.node.part.start)
        play.is_over()
        until(lambda: stand.answered() == 200, "web reaches pay")
        _of_another(loot)
        assert stand.mesh.run(
            "probe", stand.door, "--cert", str(loot / "svid.pem"), "--key", str(loot / "key.pem")
        ).returncode
        play.types("The proxy refused")
    assert answer(client_context(loot / "svid.pem", loot / "key.pem"), stand.mesh.address, stand.pay.mesh) == "200"
