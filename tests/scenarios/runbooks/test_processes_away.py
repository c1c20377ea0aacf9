"""Runbooks for processes that are away: played on a mesh of real processes, each against the fault it ends."""

from __future__ import annotations

import re

import pytest

from tests.kit.mesh import until
from tests.kit.runbook_stand import Stand, connected

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


def test_agents_away(stand: Stand) -> None:
    with stand.play("agents-away", {"trustplane server token create <NODE>": "played in control-plane"}) as play:
        stand.node.part.kill()
        until(lambda: not stand.mesh.server.status().agents[0].connected, "the server takes it for away")
        assert " away " in play.types("What is it")["trustplane status"]
        play.types("The way is closed", {"trustplane agent status": 3})
        play.by_hand("Start it. It serves what its cache holds at once, and connects.", stand.node.part.start)
        play.is_over(lambda said: connected(said[0]))


def test_server_absent(stand: Stand) -> None:
    with stand.play("server-absent") as play:
        stand.mesh.server.part.kill()
        said = play.types("What is it", {"trustplane server status": 3, "trustplane agent status": 1})
        assert "server-away" in said["trustplane agent status"] or "away since" in said["trustplane agent status"]
        play.by_hand("Start it; it issues its own certificate before it serves.", stand.mesh.server.part.start)
        play.is_over(lambda said: connected(said[0]) and "issuer outage budget" in said[0])


def wrote(stand: Stand, words: str) -> bool:
    """Of its newest failures; Envoy writes its log now and then."""
    return re.search(words, "\n".join(stand.log("web").read_text().splitlines()[-20:])) is not None


def test_closed(stand: Stand) -> None:
    with stand.play("closed", LOGFILE=stand.log("web")) as play:
        stand.node.sidecars["pay"].kill()
        # The first request may have been under way: its connection broke, and tells nothing of a closed port.
        until(lambda: stand.answered() == 503 and wrote(stand, r"[Cc]onnection[ _]refused"), "web is refused")
        ends = {"trustplane probe <HOST:PORT> --anonymous": 1}
        said = play.types("What is it", ends)
        assert "refused" in said["trustplane probe <HOST:PORT> --anonymous"]
        assert "connection-refused" in play.types("It is closed at once")["trustplane diagnose <LOGFILE>"]
        play.by_hand("Otherwise start the service.", stand.node.sidecars["pay"].start)
        play.is_over()
