"""What a node hosted is found again; what cannot be read is nothing hosted, and a full disk is no reason to stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from trustplane.host.hosting_file import MAX_BYTES, HostingFile
from trustplane.spiffe.names import ServiceName

HOSTED = frozenset({ServiceName("shop", "web"), ServiceName("shop", "api")})


@pytest.mark.parametrize("services", [frozenset(), HOSTED])
def test_what_was_saved_is_found(tmp_path: Path, services: frozenset[ServiceName]) -> None:
    HostingFile(tmp_path).save(HOSTED)
    HostingFile(tmp_path).save(services)
    assert HostingFile(tmp_path).load() == services


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'["x"]', b'[["a/b"]]', b'["a/b", 1]', b"[" * MAX_BYTES])
def test_what_is_no_list_of_services_is_nothing_hosted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hosting.json").write_bytes(content)
    assert HostingFile(tmp_path).load() == frozenset()


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    HostingFile(tmp_path / "missing").save(HOSTED)
    assert HostingFile(tmp_path / "missing").load() == frozenset()
