from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.policies import PAYMENTS
from trustplane.handshake.entries import Accounted
from trustplane.host.entries_file import EntriesFile

LONG, SHORT = {PAYMENTS: Accounted("100@5000", 12345678)}, {PAYMENTS: Accounted("1@5", 1)}


def test_it_is_read_as_it_was_written_last(tmp_path: Path) -> None:
    file = EntriesFile(tmp_path)
    assert file.load() is None
    for accounted in (LONG, SHORT):
        file.save(accounted)
        assert EntriesFile(tmp_path).load() == accounted
    assert (tmp_path / "entries.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["", '{"shop/pay": ["1@5"', '{"SHOP PAY": {"process": "1", "entries": 1}}', "[]"])
def test_what_is_torn_is_as_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "entries.json").write_text(content)
    assert EntriesFile(tmp_path).load() is None


def test_a_disk_that_takes_nothing_stops_nobody(tmp_path: Path) -> None:
    EntriesFile(tmp_path / "gone").save(LONG)
    assert not (tmp_path / "gone").exists()
