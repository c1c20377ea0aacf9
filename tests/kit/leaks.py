"""Who is still there after the tests: processes that carry this session's mark, sockets that still answer.

A mark in the environment finds what a parent's process id cannot: grandchildren, and daemons that detached.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path

_MARK = "TRUSTPLANE_TEST_SESSION"
# Python's own bookkeeper of shared memory lives as long as its parent, and says so.
_KNOWN = (b"multiprocessing.resource_tracker",)


def mark_children() -> str:
    """From now on every process started from here, and its children, carry the mark that is returned."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    os.environ[_MARK] = mark
    return mark


def left_running(mark: str, *, patience_seconds: float = 10) -> list[str]:
    """The processes with this mark that do not end within the patience, as process id and command line."""
    give_up = time.monotonic() + patience_seconds
    while (running := _running(mark)) and time.monotonic() < give_up:
        time.sleep(0.05)
    return running


def still_served(folder: Path, *, patience_seconds: float = 10) -> list[str]:
    """The sockets in this folder that someone goes on listening on: a process that is killed takes a moment to end."""
    give_up = time.monotonic() + patience_seconds
    while (served := _served(folder)) and time.monotonic() < give_up:
        time.sleep(0.05)
    return served


def _served(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_socket() and _answers(path)]


def _running(mark: str) -> list[str]:
    entry = f"{_MARK}={mark}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended while we looked, or is not ours to look at
            command = (process / "cmdline").read_bytes()
            marked = entry in (process / "environ").read_bytes().split(b"\0")
            if marked and command and not any(known in command for known in _KNOWN):
                words = command.replace(b"\0", b" ").decode(errors="replace").strip()
                found.append(f"{process.name}: {words}")
    return found


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True
