"""A Unix socket at a path of the operator's choice, and its removal.

A dead process's socket is replaced, a living one's never. The directory must be safe from others: whoever may rename
in it could put a socket of their own where workloads look for ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from trustplane.fault import Refused

MAX_PATH_BYTES = 107  # sockaddr_un holds 108 with the final zero
BACKLOG = 1024
DIRECTORY_MODE = 0o755
PUBLIC = 0o666
PRIVATE = 0o600


class ListeningSocket:
    """Listening, not blocking. `close` removes the path, if it is still ours."""

    def __init__(self, listener: socket.socket, path: Path) -> None:
        self.listener = listener
        self.path = path
        self._identity = _identity(path)

    def close(self) -> None:
        with _directory_locked(self.path.parent):
            if _identity(self.path) == self._identity:
                self.path.unlink()
        self.listener.close()


def listen(path: Path, mode: int = PUBLIC) -> ListeningSocket:
    check_length(path)
    try:
        return _listen(path, mode)
    except OSError as error:
        raise Refused(
            code="socket-not-made",
            what=f"no socket can be made at {path}",
            why=f"{error.strerror or error}",
            fix="choose a directory this user may write to, or start the process as a user who may",
        ) from error


def _listen(path: Path, mode: int) -> ListeningSocket:
    path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    _check_directory(path.parent)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        # Locked, so that of two processes starting together the second finds the first one's socket alive.
        with _directory_locked(path.parent):
            _remove_dead(path)
            listener.bind(str(path))
            path.chmod(mode)  # before listen, so nobody connects under a wider mode
            listener.listen(BACKLOG)
            return ListeningSocket(listener, path)
    except BaseException:
        listener.close()
        raise


def check_length(path: Path) -> None:
    length = len(os.fsencode(path))
    if length > MAX_PATH_BYTES:
        raise Refused(
            code="socket-path-too-long",
            what=f"the socket path {path} has {length} bytes",
            why=f"the kernel takes at most {MAX_PATH_BYTES}",
            fix="choose a shorter path, for example below /run",
        )


def _check_directory(directory: Path) -> None:
    found = directory.stat()
    writable_by_others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
    if writable_by_others or found.st_uid not in (0, os.geteuid()):
        raise Refused(
            code="socket-directory-open",
            what=f"{directory} is not safe for a socket",
            why="others may rename in it, and put a socket of their own where workloads look for this one",
            fix=f"chown it to this user and chmod 755 {directory}",
        )


def _remove_dead(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise Refused(
            code="socket-path-taken",
            what=f"{path} exists and is not a socket",
            why="only a dead process's socket is replaced",
            fix="choose another path, or remove what is there",
        )
    if _answers(path):
        raise Refused(
            code="socket-in-use",
            what=f"another process listens on {path}",
            why="two processes cannot share a socket",
            fix="stop the other process, or choose another path",
        )
    path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # its backlog is full: it is busy, not dead
            return True
        return True


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def _directory_locked(directory: Path) -> Iterator[None]:
    try:
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:  # removed under us: nothing left to guard
        yield
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
