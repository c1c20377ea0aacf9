"""Generations are found again as they were; what cannot be read is none, and a full disk is no reason to stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from trustplane.host.generations_file import MAX_BYTES, GenerationsFile
from trustplane.spiffe.names import ServiceName

WEB, API = ServiceName("shop", "web"), ServiceName("shop", "api")
NEW, OLD = "0123456789abcdef", "f" * 16
KNOWN = {WEB: (NEW, OLD), API: (OLD,)}


def test_what_was_saved_is_found_and_what_has_none_is_not_kept(tmp_path: Path) -> None:
    GenerationsFile(tmp_path).save(KNOWN)
    assert GenerationsFile(tmp_path).load() == KNOWN
    GenerationsFile(tmp_path).save({WEB: (NEW,), API: ()})
    assert GenerationsFile(tmp_path).load() == {WEB: (NEW,)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"x": []}',
        b'{"shop/web": ["../../etc/passwd"]}',
        b'{"shop/web": ["0123456789ABCDEF"]}',
        b'{"shop/web": ["0123456789abcdef\\n"]}',
        b'{"shop/web": [' + b",".join([b'"0123456789abcdef"'] * 10) + b"]}",
        b"[" * MAX_BYTES,
    ],
)
def test_what_is_no_list_of_generations_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "generations.json").write_bytes(content)
    assert GenerationsFile(tmp_path).load() == {}


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    GenerationsFile(tmp_path / "missing").save(KNOWN)
    assert GenerationsFile(tmp_path / "missing").load() == {}
