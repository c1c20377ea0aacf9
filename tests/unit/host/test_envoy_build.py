"""Which build an Envoy is, and that one too old for our rules is not started."""

from __future__ import annotations

from pathlib import Path

import pytest

from trustplane.cli import sidecar
from trustplane.fault import Refused
from trustplane.host.envoy import build_of, find_envoy
from trustplane.xds.builds import OLDEST

SAYS = "echo; echo 'envoy  version: 0123abc/{}/Clean/RELEASE/BoringSSL'"


def envoy(folder: Path, script: str) -> Path:
    path = folder / "envoy"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("script", "build"),
    [
        (SAYS.format("1.36.2"), (1, 36)),
        (SAYS.format("1.41.0-dev"), (1, 41)),
        (SAYS.format("one"), None),
        ("exit 1", None),
        ("head -c 5000 /dev/zero; " + SAYS.format("1.40.0"), None),
    ],
)
def test_it_is_what_the_binary_says(tmp_path: Path, script: str, build: tuple[int, int] | None) -> None:
    assert build_of(envoy(tmp_path, script)) == build


def test_what_is_no_program_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "envoy"
    path.write_bytes(b"\x7fELF")
    path.chmod(0o755)
    assert build_of(path) is None


def test_the_installed_one_is_new_enough() -> None:
    found = build_of(find_envoy(None))
    assert found is not None
    assert found >= OLDEST


@pytest.mark.parametrize("script", [SAYS.format("1.38.3"), "exit 0"])
def test_a_sidecar_is_not_started_with_one_that_is_too_old(tmp_path: Path, script: str) -> None:
    started = tmp_path / "started"
    binary = envoy(tmp_path, f'[ "$1" = --version ] || touch {started}\n{script}')
    with pytest.raises(Refused, match="xds-proxy-too-old"):
        sidecar.command("shop/web", tmp_path / "xds.sock", tmp_path / "run", binary)
    assert not started.exists()
    assert not (tmp_path / "run").exists()
