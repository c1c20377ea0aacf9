"""Runbooks for proxies that do not take what they are sent: played with real Envoys that are stopped and let go on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.kit.mesh import until
from tests.kit.runbook_stand import Stand, connected

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
# A waiver ends after 90 days at the latest.
IN_A_WEEK = (datetime.now(UTC) + timedelta(days=7)).date()  # noqa: TID251 - real servers go by the real clock
PAY = "sidecar shop/pay on node-a"


def server(stand: Stand, *words: str) -> str:
    ran = stand.mesh.run(*words, "--server-socket", str(stand.mesh.server.admin))
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def doubts(stand: Stand) -> str:
    return server(stand, "bundle", "status")


def is_behind(text: str) -> bool:
    """Whether `trustplane bundle status` shows anything that pay's proxy should hold and does not."""
    lines = [line for line in text.splitlines() if line.startswith("sidecar shop/pay")]
    return not lines or any("  held" not in line for line in lines)


def test_proxy_refuses(stand: Stand) -> None:
    with stand.play("proxy-refuses") as play:
        stand.stop("pay")
        until(lambda: "doubt" in doubts(stand), "it is found to be silent")
        assert "doubt" in play.types("What is it")["trustplane bundle status"]
        play.by_hand("let it go on", lambda: stand.go_on("pay"))
        play.is_over(lambda said: connected(said[0]) and "doubt" not in said[1])
    until(lambda: stand.answered() == 200, "web reaches pay")


def test_bundle_behind_and_rotation_stuck(stand: Stand) -> None:
    """A change of root waits for a proxy that is stopped: it goes on when the proxy does, or is taken back."""
    with stand.play("rotation-stuck", PARTICIPANT=PAY, WHY="sold", NAME="team-shop", DAY=IN_A_WEEK) as stuck:
        stand.stop("pay")
        server(stand, "rotate", "start", "--reason", "a test")
        until(lambda: is_behind(doubts(stand)), "it is behind")
        phase = json.loads(server(stand, "rotate", "status", "--json"))["rotation"]["phase"]
        assert "shop/pay" in stuck.types("What is it")["trustplane rotate status"]
        with stand.play("bundle-behind") as behind:
            assert is_behind(behind.types("What is it")["trustplane bundle status"].text)
            behind.types("Its agent is there")
            behind.by_hand("on the node shows whether the proxy has a stream", lambda: stand.go_on("pay"))
            behind.is_over(lambda said: not is_behind(said[0].text))
        stuck.types("A participant is gone for good")
        stuck.types("It should not have begun")
        stuck.is_over(lambda said: f"phase          {phase}" not in said[0])
    until(lambda: stand.answered() == 200, "web reaches pay")
