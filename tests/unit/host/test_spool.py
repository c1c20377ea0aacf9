"""Files that wait are whole, in order, and bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from trustplane.fault import Unavailable
from trustplane.host.spool import SpoolFiles, Stream

STREAM, LATER = Stream(1, "f" * 32), Stream(2, "0" * 32)


def test_files_come_in_the_order_of_their_streams_and_numbers(tmp_path: Path) -> None:
    files = SpoolFiles(tmp_path / "spool")
    for name in (LATER.name(1), STREAM.name(10), STREAM.name(9)):
        assert files.write(name, name.encode()) == []
    assert files.names() == [STREAM.name(9), STREAM.name(10), LATER.name(1)]
    assert SpoolFiles(tmp_path / "spool").read(STREAM.name(9)) == STREAM.name(9).encode()


def test_the_oldest_leave_when_there_are_too_many_or_they_are_too_large(tmp_path: Path) -> None:
    files = SpoolFiles(tmp_path, most_files=2, most_bytes=100)
    files.write(STREAM.name(1), b"one")
    files.write(STREAM.name(2), b"two")
    assert files.write(STREAM.name(3), b"three") == [b"one"]
    assert files.write(STREAM.name(3), b"3" * 98) == [b"two"]
    assert files.names() == [STREAM.name(3)]


def test_what_a_crash_left_half_written_is_not_there(tmp_path: Path) -> None:
    (tmp_path / f"{STREAM.name(1)}.new").write_bytes(b"hal")
    (tmp_path / "something-else").write_bytes(b"")
    assert SpoolFiles(tmp_path).names() == []
    assert [one.name for one in tmp_path.iterdir()] == ["something-else"]


def test_a_disk_that_takes_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = SpoolFiles(tmp_path)
    files.write(STREAM.name(1), b"old")
    monkeypatch.setattr(Path, "replace", _no_space)
    with pytest.raises(Unavailable, match="No space left"):
        files.write(STREAM.name(2), b"new")
    assert list(tmp_path.iterdir()) == []


def _no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")
