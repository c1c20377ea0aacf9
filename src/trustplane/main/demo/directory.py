"""The demo's own corner of the machine: a directory that is gone afterwards, and a loopback address nobody uses.

Every address in 127.0.0.0/8 is this machine, so the shop's fixed ports cannot clash with anything when they are opened
on an address of the demo's own. What a demo that was killed left behind, the next one removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from trustplane.fault import Refused

PREFIX = "trustplane-demo-"
LOCK = "lock"
ADDRESSES_TRIED = 50


@contextlib.contextmanager
def run_directory(parent: Path, prefix: str = PREFIX) -> Iterator[Path]:
    """A new directory with a short path; sockets have room for 107 bytes. Removed at the end."""
    _remove_abandoned(parent, prefix)
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    directory.chmod(0o755)  # services and sidecars run as users of their own and must reach what is theirs in it
    held = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(held)


def _remove_abandoned(parent: Path, prefix: str) -> None:
    for left in parent.glob(f"{prefix}*"):
        if left.is_symlink() or left.lstat().st_uid != os.geteuid():
            continue
        with contextlib.suppress(OSError):
            held = os.open(left / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held by its demo as long as that lives
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(held)


def free_loopback(ports: Collection[int]) -> str:
    """An address of this machine on which every one of `ports` is free."""
    for _ in range(ADDRESSES_TRIED):
        address = f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1}.{secrets.randbelow(253) + 2}"
        if all(_is_free(address, port) for port in ports):
            return address
    raise Refused(
        code="no-free-loopback",
        what="no loopback address has the demo's ports free",
        why=f"{ADDRESSES_TRIED} addresses of 127.0.0.0/8 were tried; something listens on these ports everywhere",
        fix="see `ss -ltn` for what listens on 0.0.0.0 with ports " + ", ".join(map(str, sorted(ports))),
    )


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
