from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from tests.kit.clock import VirtualClock
from tests.kit.server_door import MemoryDoor
from tests.kit.serving import served
from trustplane.audit.log import AuditEntry
from trustplane.audit.merkle import leaf_hash
from trustplane.cli import audit
from trustplane.cli.output import WrongInput
from trustplane.fault import Refused
from trustplane.wire.http_api import admin_application

pytestmark = pytest.mark.network

BODIES = [f'{{"at":"t{number}","event":"e"}}'.encode() for number in range(7)]


class EditedDoor(MemoryDoor):
    """Somebody changed the body of entry 3 in the database and nothing else."""

    async def audit_entries(self, start: int, limit: int) -> Sequence[AuditEntry]:
        found = await MemoryDoor.audit_entries(self, start, limit)
        return [AuditEntry(one.index, b"{}", one.leaf_hash) if one.index == 3 else one for one in found]


@pytest.fixture
def socket(socket_dir: Path) -> Path:
    return socket_dir / "s"


def serving(door: MemoryDoor, socket: Path) -> contextlib.AbstractContextManager[Path]:
    return served(admin_application(door, CollectorRegistry(), VirtualClock()), socket)


def refused(door: MemoryDoor, socket: Path, kept: list[Path] | None = None) -> list[str]:
    """The codes of what verifying finds."""
    with serving(door, socket) as path:
        with pytest.raises(Refused) as found:
            audit.verify(path, kept)
        return [one.code for one in found.value.findings]


def test_an_untouched_log_verifies_also_in_pieces(
    socket: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "PIECE", 2)
    with serving(MemoryDoor(bodies=[*BODIES]), socket) as path:
        audit.verify(path)
    assert "verified: 7 entries" in capsys.readouterr().out


def test_an_edited_entry_is_named_by_its_index(socket: Path) -> None:
    with serving(EditedDoor(bodies=[*BODIES]), socket) as path, pytest.raises(Refused) as found:
        audit.verify(path)
    assert "entry 3 is not what was appended" in {one.what for one in found.value.findings}


def test_a_log_rewritten_with_matching_hashes_differs_from_a_checkpoint_that_was_kept(
    socket: Path, tmp_path: Path
) -> None:
    door = MemoryDoor(bodies=[*BODIES])
    kept = tmp_path / "kept"
    kept.write_text(door.signed_note())
    door.bodies[3] = b'{"event":"never"}'
    assert leaf_hash(door.bodies[3]) != leaf_hash(BODIES[3])
    assert "audit-log-rewritten" in refused(door, socket, [kept])


def test_a_log_cut_short_is_shorter_than_a_checkpoint_that_was_kept(socket: Path, tmp_path: Path) -> None:
    door = MemoryDoor(bodies=[*BODIES])
    kept = tmp_path / "kept"
    kept.write_text(door.signed_note())
    del door.bodies[5:]
    assert "audit-log-cut-short" in refused(door, socket, [kept])


def test_a_checkpoint_of_another_log_is_wrong_input(socket: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text(MemoryDoor(bodies=[*BODIES]).signed_note())
    with serving(MemoryDoor(), socket) as path, pytest.raises(WrongInput):
        audit.verify(path, [kept])


def test_entries_are_shown_the_newest_last(socket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(MemoryDoor(bodies=[*BODIES]), socket) as path:
        audit.show(path, limit=2)
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [["5", "t5"], ["6", "t6"]]
