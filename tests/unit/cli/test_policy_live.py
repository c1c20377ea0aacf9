"""`trustplane policy check --live`: which sidecars have not taken their rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from prometheus_client import CollectorRegistry

from tests.kit.ca import NOON
from tests.kit.clock import VirtualClock
from tests.kit.policies import FILES
from tests.kit.server_door import MemoryDoor
from tests.kit.serving import served
from trustplane.cli import policy, policy_live
from trustplane.registry.records import Holding
from trustplane.spiffe.names import NodeName
from trustplane.wire.http_api import admin_application

pytestmark = pytest.mark.network

OLD = "error[xds-proxy-too-old]: the sidecar is Envoy 1.38"


def holding(participant: str, thing: str, held: str = "", refusal: str = "") -> Holding:
    return Holding(NodeName("a"), participant, thing, "d1", held, refusal, NOON)


def check(socket_dir: Path, directory: Path, held: list[Holding]) -> None:
    for name, text in FILES.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    with served(
        admin_application(MemoryDoor(held=held), CollectorRegistry(), VirtualClock()), socket_dir / "s"
    ) as door_path:
        policy.check(directory, door_path, live=True, as_json=True)


def test_whoever_has_not_taken_its_rules_is_named_with_the_reason(
    socket_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_live, "PAGE", 2)
    held = [
        holding("sidecar shop/checkout", "listener/inbound", "d1"),
        holding("sidecar shop/payments", "listener/inbound"),
        holding("sidecar shop/payments", "route/inbound", refusal=OLD),
        holding("sidecar shop/web", "cluster/app"),
        holding("sidecar shop/zoo", "route/inbound", "d0"),
    ]
    with pytest.raises(typer.Exit):
        check(socket_dir, tmp_path, held)
    found = json.loads(capsys.readouterr().out)["not_enforcing"]
    assert [(one["participant"], one["state"], one["why"]) for one in found] == [
        ("sidecar shop/payments", "refused", OLD),
        ("sidecar shop/zoo", "behind", ""),
    ]


def test_where_all_hold_their_rules_it_says_so(
    socket_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(socket_dir, tmp_path, [holding("sidecar shop/web", "route/inbound", "d1")])
    assert json.loads(capsys.readouterr().out) == {"findings": [], "not_enforcing": []}
