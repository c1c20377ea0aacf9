"""The scripts behind make say what is missing and how to get it, and notice what they are there to notice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.tree import ROOT

SCRIPTS = ROOT / "scripts"
INTERFACES = "import json, socket; print(json.dumps([name for _, name in socket.if_nameindex()]))"
LOOPBACK = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"


def _run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60
    )


def _stub(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("code", "stub"),
    [
        ("python-too-old", 'case "$1" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac'),
        ("venv-missing", 'case "$2" in *ensurepip*) exit 1 ;; esac'),
    ],
)
def test_a_python_that_will_not_do_is_explained(tmp_path: Path, code: str, stub: str) -> None:
    done = _run(SCRIPTS / "venv.sh", PYTHON=str(_stub(tmp_path / "python", stub)))
    assert done.returncode == 1
    assert f"error[{code}]" in done.stderr
    assert "fix: " in done.stderr


def test_no_python_at_all_is_explained() -> None:
    done = _run(SCRIPTS / "venv.sh", PYTHON="/nowhere/python")
    assert done.returncode == 1
    assert "error[python-missing]" in done.stderr


def test_a_missing_debian_package_that_cannot_be_installed_stops_with_what_to_run(tmp_path: Path) -> None:
    for tool in ("bash", "cat", "env", "id"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
    done = _run(tmp_path / "bash", SCRIPTS / "debian_packages.sh", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "sudo apt-get install" in done.stderr
    assert "openssl" in done.stderr


def test_without_network_there_is_loopback_and_nothing_else() -> None:
    seen = _run(SCRIPTS / "without_network.sh", sys.executable, "-c", INTERFACES)
    if seen.returncode != 0:
        assert "error[namespaces-not-allowed]" in seen.stderr
        return
    assert json.loads(seen.stdout) == ["lo"]
    assert _run(SCRIPTS / "without_network.sh", sys.executable, "-c", LOOPBACK).returncode == 0


def test_the_command_runs_all_the_same_where_namespaces_are_optional_and_its_failure_is_kept() -> None:
    assert _run(SCRIPTS / "without_network.sh", "--if-allowed", "sh", "-c", "exit 7").returncode == 7


def test_drift_is_noticed_and_left_mended(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPTS / "drift.py", tmp_path / "scripts")
    (tmp_path / "scripts" / "write_page.py").write_text("from pathlib import Path\nPath('page').write_text('new')\n")
    (tmp_path / "page").write_text("old")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    first = _run(sys.executable, tmp_path / "scripts" / "drift.py")
    second = _run(sys.executable, tmp_path / "scripts" / "drift.py")
    assert (first.returncode, second.returncode) == (1, 0)
    assert "  page" in first.stdout
