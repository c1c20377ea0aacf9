from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from prometheus_client import CollectorRegistry

from tests.kit.clock import START, VirtualClock
from tests.kit.partner import PARTNER, Partner
from tests.kit.server_door import MemoryDoor
from tests.kit.serving import served
from trustplane.cli import federation
from trustplane.fault import Finding
from trustplane.spiffe.bundle import Bundle
from trustplane.trust.federation import Peer
from trustplane.wire.http_api import admin_application

pytestmark = pytest.mark.network

BEGUN = Peer(PARTNER).begun(Partner().bundle(7), START - timedelta(minutes=3))
FAILED = BEGUN.failed(Finding("bundle-sequence-went-back", "older", "an old root", "ask them"), START)
REVOKED = BEGUN.took(Bundle(PARTNER, (), sequence=8), START)


def serving(door: MemoryDoor, folder: Path) -> contextlib.AbstractContextManager[Path]:
    return served(admin_application(door, CollectorRegistry(), VirtualClock()), folder / "s")


def said(peer: Peer, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = 0
    with serving(MemoryDoor(peers=[peer]), folder) as path:
        try:
            federation.status(path)
        except typer.Exit as ended:
            code = ended.exit_code
    return code, capsys.readouterr().out


def test_a_peer_is_shown_with_its_bundle(socket_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = said(BEGUN, socket_dir, capsys)
    assert code == 0
    assert "partner.example  federated" in told
    assert "sequence 7, 1 X.509 and 0 JWT authorities" in told
    assert "(3m ago)" in told
    assert "is used 25m after it is published" in told


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        (FAILED, ["NOT REFRESHED", "error[bundle-sequence-went-back]: older", "fix: ask them", "sequence 7"]),
        (REVOKED, ["REVOKED: it publishes no authority at all"]),
        (Peer(PARTNER).begun(None, START), ["NO BUNDLE YET"]),
    ],
)
def test_what_needs_somebody_ends_with_1(
    peer: Peer, words: list[str], socket_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = said(peer, socket_dir, capsys)
    assert code == 1
    assert [word for word in words if word not in told] == []


def test_an_ended_relation_is_no_trouble(socket_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = said(FAILED.ended(START), socket_dir, capsys)
    assert (code, "nobody holds its bundle" in told) == (0, True)


def test_asking_now_and_forgetting_reach_the_server(socket_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    door = MemoryDoor(peers=[BEGUN])
    with serving(door, socket_dir) as path:
        federation.refresh("partner.example", path)
        federation.forget("partner.example", path)
    assert door.acts[0] == "refresh partner.example"
    assert door.acts[1].startswith("forget partner.example by local:")
    assert "partner.example  federated" in capsys.readouterr().out
