"""A node's identity is found again whole, by its own user only, or refused with the reason."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit.ca import p256, pkcs8
from tests.kit.node_line import AGENT, Domain
from tests.kit.sidecars import keyed
from trustplane.fault import Refused, Unavailable
from trustplane.flows.node.node_link import NodeIdentity
from trustplane.host.identity_file import MAX_FILE_BYTES, NAME, IdentityFile

AT = datetime(2030, 1, 1, tzinfo=UTC)
DOMAIN = Domain()


def identity(hours: int = 1) -> NodeIdentity:
    return NodeIdentity(keyed(DOMAIN.issuing, AGENT), AT + timedelta(hours=hours), DOMAIN.document())


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    IdentityFile(tmp_path).save(identity())
    return tmp_path / NAME


def why(folder: Path) -> str:
    with pytest.raises(Refused) as caught:
        IdentityFile(folder).load()
    assert caught.value.code == "identity-file-unusable"
    assert "trustplane server token create" in caught.value.finding.fix
    return caught.value.finding.why


def test_where_none_was_kept_there_is_none(tmp_path: Path) -> None:
    assert IdentityFile(tmp_path).load() is None


def test_what_was_saved_last_is_found_with_its_key(tmp_path: Path) -> None:
    for hours in (1, 2):
        saved = identity(hours)
        IdentityFile(tmp_path).save(saved)
        found = IdentityFile(tmp_path).load()
        assert found == saved
        assert found.keyed.key_pkcs8 == saved.keyed.key_pkcs8
    assert [one.name for one in tmp_path.iterdir()] == [NAME]


def test_the_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        IdentityFile(tmp_path).save(identity())
    finally:
        os.umask(before)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_file_that_others_may_have_read_is_refused(kept: Path, mode: int) -> None:
    kept.chmod(mode)
    assert f"{mode:04o}" in why(kept.parent)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_torn_file_is_refused(kept: Path, share: float) -> None:
    text = kept.read_bytes()
    kept.write_bytes(text[: int(len(text) * share)])
    assert why(kept.parent) == "its content is damaged"


def test_what_a_crash_left_beside_it_is_no_identity_and_no_obstacle(kept: Path) -> None:
    kept.with_suffix(".new").write_bytes(b"{")
    assert IdentityFile(kept.parent).load() is not None
    IdentityFile(kept.parent).save(identity())
    assert [one.name for one in kept.parent.iterdir()] == [NAME]


def _set(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(stored: dict[str, Any]) -> None:
        stored[name] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("version", 2),
        _set("renew_at", "2030-01-01T00:00:00"),
        _set("chain", []),
        _set("chain", ["MAA="]),
        _set("bundle", "e30="),
        _set("key", "!"),
        _set("extra", 1),
        lambda stored: stored.pop("key"),
    ],
)
def test_what_is_no_identity_is_refused(kept: Path, change: Callable[[dict[str, Any]], None]) -> None:
    stored = json.loads(kept.read_text())
    change(stored)
    kept.write_text(json.dumps(stored))
    assert why(kept.parent) == "its content is damaged"


def test_a_key_of_another_certificate_is_refused_and_not_quoted(kept: Path) -> None:
    stored = json.loads(kept.read_text())
    stored["key"] = base64.b64encode(pkcs8(p256())).decode()
    kept.write_text(json.dumps(stored))
    with pytest.raises(Refused) as caught:
        IdentityFile(kept.parent).load()
    assert stored["key"] not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_link_is_not_followed(kept: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    kept.rename(elsewhere)
    kept.symlink_to(elsewhere)
    assert "cannot be read" in why(kept.parent)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME, 0o600)
    assert why(tmp_path) == "it is not a regular file"


def test_a_huge_file_is_refused_unread(kept: Path) -> None:
    os.truncate(kept, MAX_FILE_BYTES + 1)
    assert "more than any identity" in why(kept.parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_refused(kept: Path) -> None:
    os.chown(kept, 65534, 65534)
    assert "user 65534" in why(kept.parent)


def test_a_folder_that_takes_nothing_is_something_to_wait_out_and_leaves_what_was_kept(kept: Path) -> None:
    before = kept.read_bytes()
    kept.with_suffix(".new").mkdir()
    with pytest.raises(Unavailable) as caught:
        IdentityFile(kept.parent).save(identity(9))
    assert caught.value.code == "identity-not-saved"
    assert kept.read_bytes() == before


def test_a_link_laid_for_the_next_save_is_not_written_through(kept: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    kept.with_suffix(".new").symlink_to(victim)
    with pytest.raises(Unavailable):
        IdentityFile(kept.parent).save(identity())
    assert victim.read_text() == "untouched"
