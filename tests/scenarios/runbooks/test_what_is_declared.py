"""Runbooks whose repair is an edited trust repository: played on a mesh, each against the fault it ends."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.mesh import until
from tests.kit.mesh_peers import REFUSED, answer, client_context, openssl
from tests.kit.mesh_repository import Repository
from tests.kit.runbook_stand import Stand

pytestmark = pytest.mark.timeout(300)
HELD = "every participant holds what it should"
NOBODY = "service   none"


def wrongly(stand: Stand, repository: Repository) -> None:
    """What somebody applied by mistake."""
    stand.mesh.apply(repository)


def edited(stand: Stand) -> Path:
    """The trust repository as its owner edits it: the one that is right."""
    return stand.mesh.written(stand.repository)


def robot_calls(stand: Stand, loot: Path) -> str:
    context = client_context(loot / "svid.pem", loot / "key.pem")
    return answer(context, stand.mesh.address, stand.pay.mesh)


def tried(stand: Stand, context: ssl.SSLContext | None, log: Path) -> None:
    """What a Python program writes into its log when it is refused."""
    with contextlib.ExitStack() as closing:
        try:
            connection = closing.enter_context(socket.create_connection((stand.mesh.address, stand.pay.mesh), 10))
            if context:
                connection = closing.enter_context(context.wrap_socket(connection))
            connection.sendall(b"POST /charge HTTP/1.1\r\nhost: pay\r\ncontent-length: 0\r\n\r\n")
            while connection.recv(4096):
                pass
            log.write_text("ssl.SSLEOFError: EOF occurred in violation of protocol (_ssl.c:2427)\n")
        except OSError as error:
            log.write_text(f"ssl.{type(error).__name__}: {error}\n")


def test_denied(stand: Stand) -> None:
    loot = stand.loot()
    assert robot_calls(stand, loot) == "200"
    wrongly(stand, stand.repository.calling("robot"))
    until(lambda: robot_calls(stand, loot) == "403", "the rule refuses the robot")
    with stand.play("denied", DIR=edited(stand)) as play:
        said = play.types("What is it")
        assert "denied-by-policy" in said["trustplane diagnose <LOGFILE>"]
        assert "shop/robot" not in said["trustplane explain <ID>"]
        said = play.types("Put it right")
        assert "shop/robot" in said["trustplane plan <DIR>"]
        play.is_over(lambda said: HELD in said[0])
    until(lambda: robot_calls(stand, loot) == "200", "the call is answered")


def test_no_client_certificate(stand: Stand) -> None:
    former, robot = stand.loot(), stand.repository["robot"]
    log = stand.mesh.folder / "client.log"
    wrongly(stand, stand.repository.without("robot"))
    until(
        lambda: stand.mesh.run("svid", "fetch", "--socket", f"unix:{stand.node.workload}").returncode != 0,
        "it has none",
    )
    tried(stand, client_context(), log)
    files = {"CLIENT_LOG": log, "DIR": edited(stand), "CHAIN": former / "svid.pem", "KEY": former / "key.pem"}
    with stand.play("no-client-certificate", None, ID=robot.spiffe_id, **files) as play:
        said = play.types("What is it", {"trustplane svid fetch": 1})
        assert "no-client-certificate" in said["trustplane diagnose <CLIENT-LOG> <SERVER-LOG>"]
        assert NOBODY in said["trustplane explain <ID>"]
        play.types("It was kept back")
        play.types("It has none")
        play.is_over()
    until(lambda: robot_calls(stand, stand.loot()) == "200", "the call is answered")


def test_plaintext(stand: Stand) -> None:
    log = stand.mesh.folder / "client.log"
    wrongly(stand, stand.repository.calling("web"))
    until(lambda: stand.answered() == 0, "web has no way to pay but past its sidecar")
    assert answer(None, stand.mesh.address, stand.pay.mesh) == REFUSED
    tried(stand, None, log)
    with stand.play("plaintext", CLIENT_LOG=log, DIR=edited(stand)) as play:
        said = play.types("What is it", {"trustplane probe <HOST:PORT> --anonymous": 1})
        assert "plaintext-to-tls" in said["trustplane diagnose <CLIENT-LOG> <SERVER-LOG>"]
        play.types("Clear text reached a TLS port")
        assert "sidecar on" in play.types("TLS reached a clear port")["trustplane explain <ID>"]
        play.is_over()
    until(lambda: stand.answered() == 200, "web calls through its own sidecar")


def test_wrong_name(stand: Stand) -> None:
    expected = stand.pay.spiffe_id
    renamed = replace(stand.pay, more=f"id: {expected}s\n")
    wrongly(stand, replace(stand.repository, members=(renamed, *stand.repository.members[1:])))
    leaves = {"trustplane diagnose <LOGFILE>": "the refusing side is a program elsewhere, which has no log here"}
    until(lambda: stand.mesh.run("probe", stand.door, "--expect", expected, *stand.as_robot).returncode == 1, "renamed")
    with stand.play("wrong-name", leaves, ID=expected, DIR=edited(stand)) as play:
        assert "wrong-san" in play.types_one("trustplane probe <HOST:PORT> --expect <ID>", ends=1)
        assert NOBODY in play.types_one("trustplane explain <ID>")
        play.types("Another workload answers")
        play.is_over()


def test_parameters(stand: Stand) -> None:
    with_rsa = replace(stand.pay, profile="old")
    members = (with_rsa, *stand.repository.members[1:])
    wrongly(stand, replace(stand.repository, members=members, profiles={"old": "rsa2048"}))
    log = stand.mesh.folder / "client.log"

    def meets() -> bool:
        """A caller that verifies ECDSA alone."""
        said = openssl("s_client", "-connect", stand.door, "-tls1_3", "-sigalgs", "ECDSA+SHA256", "-brief")
        log.write_text(said.stderr)
        return "CONNECTION ESTABLISHED" in said.stderr

    def is_written() -> bool:
        """The proxy writes its log when it comes to it, and what it wrote of others stands there too."""
        return (
            not meets() and "no-shared-signature" in stand.mesh.run("diagnose", str(log), str(stand.log("pay"))).stdout
        )

    until(is_written, "they have no signature in common, and both sides say so")
    with stand.play("parameters", CLIENT_LOG=log, NAME="pay.acme.example", DIR=edited(stand)) as play:
        said = play.types("What is it")
        assert "no-shared-signature" in said["trustplane diagnose <CLIENT-LOG> <SERVER-LOG>"]
        assert "rsa2048" in play.types("Put it right")["trustplane plan <DIR>"]
        until(meets, "they agree")
        play.is_over()
