"""`trustplane audit policies`: whether a repository is what the log says was applied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from prometheus_client import CollectorRegistry

from tests.kit.ca import NOON
from tests.kit.clock import VirtualClock
from tests.kit.policies import FILES, FOLDER
from tests.kit.server_door import MemoryDoor
from tests.kit.serving import served
from trustplane.audit import events
from trustplane.cli import audit_policies
from trustplane.fault import Refused
from trustplane.flows.desired.admit_policies import recorded
from trustplane.registry import layout
from trustplane.wire.http_api import admin_application

pytestmark = pytest.mark.network

CEDAR = '@id("a") permit (principal == Service::"shop/web", action == Action::"charge", resource);'
SECOND = CEDAR.replace("shop/web", "shop/checkout")


def files(cedar: str) -> dict[str, bytes]:
    return {path: text.encode() for path, text in {**FILES, FOLDER + "policy.cedar": cedar}.items()}


def log() -> list[bytes]:
    """Two revisions that were applied, and a third that never was."""
    found = []
    for number, cedar in enumerate((CEDAR, SECOND, CEDAR), start=1):
        digest = layout.digest(files(cedar))
        found.append(events.revision_intent(number, digest, "root", NOON, recorded(files(cedar))))
        if number < 3:
            found.append(events.revision_applied(number, digest, "root", None, NOON))
    return found


def ask(socket_dir: Path, directory: Path, cedar: str, bodies: list[bytes], revision: int | None = None) -> None:
    for name, content in files(cedar).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    door = MemoryDoor(bodies=bodies)
    with served(admin_application(door, CollectorRegistry(), VirtualClock()), socket_dir / "s") as door_path:
        audit_policies.command(directory, door_path, revision, as_json=True)


def test_what_is_in_force_is_the_newest_that_was_applied(
    socket_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_policies, "PIECE", 2)
    ask(socket_dir, tmp_path, SECOND, log())
    found = json.loads(capsys.readouterr().out)
    assert (found["revision"], found["same"], found["same_files"], found["policies"]) == (2, True, True, 1)


def test_another_repository_is_told_from_it_by_service(
    socket_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        ask(socket_dir, tmp_path, CEDAR, log())
    found = json.loads(capsys.readouterr().out)
    assert found["differences"] == ["shop/payments: not what was recorded: its Cedar, what proxies are sent"]
    ask(socket_dir, tmp_path, CEDAR, log(), revision=1)
    assert json.loads(capsys.readouterr().out)["same"] is True


def test_a_log_of_an_older_server_says_so(socket_dir: Path, tmp_path: Path) -> None:
    digest = layout.digest(files(CEDAR))
    old = events.canonical("revision-intent", NOON, {"number": 1, "digest": digest, "by": "root"})
    with pytest.raises(Refused, match="audit-without-policies"):
        ask(socket_dir, tmp_path, CEDAR, [old, events.revision_applied(1, digest, "root", None, NOON)])
    with pytest.raises(Refused, match="no revision 9"):
        ask(socket_dir, tmp_path, CEDAR, log(), revision=9)
