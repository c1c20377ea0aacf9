"""Faults below the processes: a database that is held by another, and a disk without room."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trustplane.flows.rehearsal import cannot_run
from trustplane.host import small_disk

HELD_SECONDS, FREE_SECONDS = 1.5, 0.2
BLOCK = 4096


@dataclass(slots=True)
class Holding:
    times: int = 0


@contextlib.contextmanager
def held_again_and_again(database: Path) -> Iterator[Holding]:
    """Nobody else can write to this SQLite database for most of the time."""
    holding, stop = Holding(), threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(database, timeout=30, isolation_level=None)
        try:
            while not stop.is_set():
                connection.execute("begin immediate")
                holding.times += 1
                stop.wait(HELD_SECONDS)
                connection.execute("rollback")
                time.sleep(FREE_SECONDS)
        finally:
            connection.close()

    thread = threading.Thread(target=hold, name="holds-the-database")
    thread.start()
    try:
        yield holding
    finally:
        stop.set()
        thread.join()


def require_small_disk(directory: Path) -> None:
    """Cannot be run where this user may not mount a file system that only one process sees."""
    words = (sys.executable, "-I", small_disk.__file__, str(directory), str(BLOCK), sys.executable, "-c", "")
    tried = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if tried.returncode != 0:
        raise cannot_run(
            f"a disk of the agent's own cannot be mounted: {tried.stderr.strip()[-200:]}",
            "the kernel or the container forbids unshare(CLONE_NEWNS) or mount() to this user",
            "run as root, in a container with the capability SYS_ADMIN",
        )


@contextlib.contextmanager
def without_room(process: int, directory: Path) -> Iterator[None]:
    """The disk that only this process sees is full."""
    filler = Path(f"/proc/{process}/root") / directory.relative_to("/") / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(BLOCK))
    try:
        yield
    finally:
        filler.unlink()
