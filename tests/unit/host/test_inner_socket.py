"""The private directory of gRPC's own socket: one for each process, and none left of those that were killed."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from trustplane.host.inner_socket import SOCKET, inner_socket

KILLED = """
import os, signal, socket
from trustplane.host.inner_socket import inner_socket
with inner_socket() as path:
    socket.socket(socket.AF_UNIX).bind(str(path))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def parent(socket_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(socket_dir))
    return socket_dir


def bound(parent: Path, name: str) -> socket.socket:
    """A directory as another process would have made it, with a socket in it."""
    directory = parent / f"trustplane-{name}"
    directory.mkdir(mode=0o700)
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(directory / SOCKET))
    return made


def test_what_a_killed_process_left_is_gone_with_the_next_start(parent: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(parent)}
    ended = subprocess.run([sys.executable, "-c", KILLED], env=environment, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    (left,) = parent.iterdir()
    with inner_socket() as path:
        assert not left.exists()
        assert list(parent.iterdir()) == [path.parent]
    assert not list(parent.iterdir())


def test_a_socket_that_somebody_listens_on_stays(parent: Path) -> None:
    with bound(parent, "alive") as alive:
        alive.listen()
        with inner_socket():
            assert (parent / "trustplane-alive" / SOCKET).exists()


def test_a_directory_that_is_held_stays_before_anybody_listens(parent: Path) -> None:
    with bound(parent, "starting"):
        held = os.open(parent / "trustplane-starting", os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            with inner_socket():
                assert (parent / "trustplane-starting" / SOCKET).exists()
        finally:
            os.close(held)


def test_what_only_looks_like_one_stays(parent: Path) -> None:
    (parent / "trustplane-file").mkdir()
    (parent / "trustplane-file" / SOCKET).write_text("not a socket")
    with bound(parent, "real"):
        (parent / "trustplane-link").symlink_to(parent / "trustplane-real")
        (parent / "trustplane-real").rename(parent / "elsewhere")
        (parent / "trustplane-link").unlink()
        (parent / "trustplane-link").symlink_to(parent / "elsewhere")
        with inner_socket():
            assert (parent / "elsewhere" / SOCKET).exists()
    assert (parent / "trustplane-file" / SOCKET).read_text() == "not a socket"
