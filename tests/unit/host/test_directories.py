"""A process keeps what is its own where nobody else can put anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.host.directories import own_directory


def code_of(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        own_directory(path)
    return caught.value.code


def test_a_directory_is_made_for_its_user_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        own_directory(tmp_path / "a" / "b")
        own_directory(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
def test_a_directory_that_others_may_look_into_will_do(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    own_directory(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    assert code_of(tmp_path) == "data-dir-unusable"


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert code_of(tmp_path / "file") == "data-dir-unusable"
    assert code_of(tmp_path / "file" / "below") == "data-dir-unusable"
