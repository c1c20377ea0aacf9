"""A file is read to its bound, and what cannot be read is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.host.small_file import read_small


def test_a_file_of_just_the_bound_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    file = tmp_path / "some"
    file.write_bytes(b"12345")
    assert read_small(file, 5) == b"12345"
    with pytest.raises(Refused, match="file-too-large"):
        read_small(file, 4)


def test_a_file_that_never_ends_is_not_read_to_its_end() -> None:
    with pytest.raises(Refused, match="file-too-large"):
        read_small(Path("/dev/zero"), 1000)


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_what_is_no_file_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="file-unreadable") as refusal:
        read_small(tmp_path / name, 5)
    assert str(tmp_path / name) in refusal.value.finding.what
