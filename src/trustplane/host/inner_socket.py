"""Where gRPC's own socket lies behind a relay: a directory only this user may enter, gone when it is needed no more.

A process that is killed cannot remove its own, so each is locked while its process lives, and whoever makes the next
one removes those that nobody holds and nobody listens in.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from trustplane.host.unix_socket import check_length

PREFIX, SOCKET = "trustplane-", "grpc"
MOST_REMOVED = 64  # at one start


@contextlib.contextmanager
def inner_socket() -> Iterator[Path]:
    _remove_abandoned(Path(tempfile.gettempdir()))
    directory = Path(tempfile.mkdtemp(prefix=PREFIX))  # 0700
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)  # the kernel lets go of it however this process ends
        path = directory / SOCKET
        check_length(path)
        yield path
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(held)


def _remove_abandoned(parent: Path) -> None:
    for path in islice(parent.glob(f"{PREFIX}*/{SOCKET}"), MOST_REMOVED):
        with contextlib.suppress(OSError):  # somebody else's, or held
            _remove_if_abandoned(path)


def _remove_if_abandoned(path: Path) -> None:
    ours = {path.parent.lstat().st_uid, path.lstat().st_uid} == {os.geteuid()}
    if not (ours and stat.S_ISDIR(path.parent.lstat().st_mode) and stat.S_ISSOCK(path.lstat().st_mode)):
        return
    held = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _nobody_listens(path):
            shutil.rmtree(path.parent, ignore_errors=True)
    finally:
        os.close(held)


def _nobody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        return probe.connect_ex(os.fspath(path)) == errno.ECONNREFUSED
