"""Logs are read in bounded memory, whatever is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from trustplane.fault import Place, Refused
from trustplane.handshake.readers.line import MAX_LINE, Line
from trustplane.host.log_files import LogFile


def test_lines_come_with_their_places(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\r\ntwo\n\nlast")
    found = list(LogFile(str(log)).lines())
    assert [line.text for line in found] == ["one", "two", "", "last"]
    assert found[3] == Line("last", Place(str(log), 4))


def test_a_huge_line_is_cut_and_the_next_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * (5 * MAX_LINE) + b"\nnext\n")
    found = list(LogFile(str(log)).lines())
    assert [len(line.text) for line in found] == [MAX_LINE, 4]
    assert found[1].place.line == 2


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"a\xff\x00b\n")
    assert [line.text for line in LogFile(str(log)).lines()] == ["a\ufffd\x00b"]


def test_a_log_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="log-unreadable"):
        list(LogFile(str(tmp_path / "none.log")).lines())


def test_a_directory_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="log-unreadable"):
        list(LogFile(str(tmp_path)).lines())
