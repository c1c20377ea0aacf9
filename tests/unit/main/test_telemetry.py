from __future__ import annotations

from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.main.settings import TelemetrySettings
from trustplane.main.telemetry import MAX_HEADERS_BYTES, read_headers

HEADERS = Path("headers")


@pytest.mark.parametrize(
    "endpoint",
    ["", "collector:4318", "ftp://collector", "https://", "https://a:b@c", "https://c?d", "https://c#d", "http://c:x"],
)
def test_what_is_no_collectors_address_is_refused(endpoint: str) -> None:
    with pytest.raises(Refused, match="bad-otlp-endpoint"):
        TelemetrySettings(endpoint)


def test_headers_go_over_tls_or_loopback_alone() -> None:
    for endpoint in ("https://collector.example:4318/otlp", "http://127.0.0.1:4318", "http://[::1]"):
        assert TelemetrySettings(endpoint, HEADERS).endpoint == endpoint
    for wrong in ("http://collector.example:4318", "http://localhost.example", None):
        with pytest.raises(Refused, match="bad-otlp-endpoint"):
            TelemetrySettings(wrong, HEADERS)
    assert TelemetrySettings("http://collector.example:4318").headers_file is None


def test_headers_are_lines_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer a b\n\nX-Scope: 7\n")
    assert read_headers(file) == {"Authorization": "Bearer a b", "X-Scope": "7"}


@pytest.mark.parametrize(
    "content",
    [
        b"no colon",
        b"Name:",
        b"Na me: x",
        b"Host: x",
        b"content-length: 7",
        b"X: \xff",
        b"X: a\x00b",
    ],
)
def test_a_line_that_is_no_header_is_refused_without_being_shown(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "headers"
    file.write_bytes(b"A: secret\n" + content)
    with pytest.raises(Refused, match="bad-otlp-headers") as refusal:
        read_headers(file)
    assert "secret" not in str(refusal.value)


def test_a_huge_file_is_refused_without_being_shown(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_bytes(b"A: secret\n" * MAX_HEADERS_BYTES)
    with pytest.raises(Refused, match="file-too-large") as refusal:
        read_headers(file)
    assert "secret" not in str(refusal.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no such file"):
        read_headers(tmp_path / "none")
