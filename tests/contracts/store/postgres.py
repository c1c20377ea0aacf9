"""A real PostgreSQL for a test session: in a folder of its own, on a Unix socket, gone at the end.

The binaries come from the PyPI package `pgserver`, or from Debian. Only its binaries: its Python side opens every
folder above them to everyone and adds a user to the machine.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

_PATIENCE_SECONDS = 60
# PostgreSQL refuses to run as root.
_UNPRIVILEGED = "nobody"


class PostgresServer:
    def __init__(self, binaries: Path, folder: Path, user: str | None) -> None:
        self._binaries = binaries
        self._folder = folder
        self._user = user
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def initialize(self) -> None:
        self._run("initdb", "-D", str(self._folder / "pg"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")

    def start(self) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._folder),
            "fsync": "off",  # the machine does not lose power in a test
            "max_connections": "100",
            "dynamic_shared_memory_type": "mmap",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._folder / "pg", *options],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self._folder,
            )
        self._wait_until_it_answers()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: disconnects everyone and stops; SIGQUIT: at once, as in a crash."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def fresh_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{next(self._numbers)}"
        self.run_sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def run_sql(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, tool: str, *arguments: str) -> None:
        made = subprocess.run(
            [self._binaries / tool, *arguments],
            capture_output=True,
            text=True,
            user=self._user,
            cwd=self._folder,
            check=False,
        )
        assert made.returncode == 0, f"{tool} failed: {made.stderr}"

    def _wait_until_it_answers(self) -> None:
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert self._process is not None
                ended = self._process.poll() is not None
                if ended or time.monotonic() > give_up:
                    pytest.fail("PostgreSQL does not start:\n" + (self._folder / "log").read_text(), pytrace=False)
                time.sleep(0.02)
            else:
                return


def running_server() -> Iterator[PostgresServer]:
    user = _UNPRIVILEGED if os.geteuid() == 0 else None
    # Not under pytest's own folder, which only root may enter; and short enough for a socket.
    folder = Path(tempfile.mkdtemp(prefix="tp-pg-", dir="/tmp"))
    if user:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    server = PostgresServer(_usable_binaries(folder, user), folder, user)
    try:
        server.initialize()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _usable_binaries(folder: Path, user: str | None) -> Path:
    tried = []
    for binaries in _installed():
        for place in (binaries, folder / "pginstall" / "bin"):
            if place != binaries and user:
                # The checkout may lie where that user cannot look.
                shutil.copytree(binaries.parent, folder / "pginstall", dirs_exist_ok=True)
            try:
                subprocess.run([place / "initdb", "--version"], capture_output=True, user=user, cwd=folder, check=True)
            except (OSError, subprocess.CalledProcessError) as error:
                tried.append(f"{place}: {error}")
            else:
                return place
    pytest.fail(
        "no PostgreSQL to test with; install the PyPI package pgserver or Debian's postgresql\n" + "\n".join(tried),
        pytrace=False,
    )


def _installed() -> Iterator[Path]:
    found = importlib.util.find_spec("pgserver")
    if found and found.origin:
        yield Path(found.origin).parent / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
