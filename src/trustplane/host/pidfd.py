"""A process, pinned: while the descriptor is open its number can be given to another process, but not mistaken for it.

The kernel hands out the connecting process's own descriptor (SO_PEERPIDFD, Linux 6.5). Older kernels know only the
number, which is pinned after the fact: a process that exited between connecting and being accepted, and whose number
was taken at once, is then mistaken for its successor unless their user IDs differ.
"""

from __future__ import annotations

import errno
import os
import select
import socket

from trustplane.fault import Refused

SO_PEERPIDFD = 77  # asm-generic/socket.h; Python has no name for it
_CLOSED = -1
_NO_SUCH_OPTION = frozenset({errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EINVAL})


class PidFd:
    """Owns the descriptor; `close` it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        os.set_inheritable(fd, False)

    def fileno(self) -> int:
        return self._fd

    def alive(self) -> bool:
        """False from the moment the process exits, also while it waits to be reaped."""
        if self._fd == _CLOSED:
            return False
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return not poll.poll(0)

    def copy(self) -> PidFd:
        return PidFd(os.dup(self._fd))

    def close(self) -> None:
        # The number is forgotten, since it may be another descriptor's by the next line.
        fd, self._fd = self._fd, _CLOSED
        if fd != _CLOSED:
            os.close(fd)


def of_peer(connection: socket.socket, pid: int) -> PidFd:
    """The process that connected; `pid` is its number, for kernels that know no better."""
    try:
        return PidFd(connection.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD))
    except OSError as error:
        if error.errno not in _NO_SUCH_OPTION:
            raise gone(pid) from error
    return of_number(pid)


def of_number(pid: int) -> PidFd:
    """Whoever has that number now."""
    try:
        return PidFd(os.pidfd_open(pid))
    except (OSError, OverflowError) as error:
        raise gone(pid) from error


def gone(pid: int) -> Refused:
    return Refused(
        code="caller-gone",
        what=f"the calling process (pid {pid}) has exited",
        why="identities are given to living processes only, since the number may belong to another by now",
        fix="connect again from the process that needs the identity",
    )
