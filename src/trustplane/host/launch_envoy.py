"""Becomes Envoy: drops to another user, ties its life to its parent's, and executes an already opened binary.

Run as a program of its own, because between fork and exec a process with gRPC's threads may run nothing but calls that
are safe after fork. The binary is executed through a descriptor opened before the user changes, so that it may lie
where the new user cannot go. Arguments: parent's pid, descriptor, uid or -, gid or -, then Envoy's argument list.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def become(arguments: list[str]) -> None:
    parent, descriptor, uid, gid, *argv = arguments
    if gid != "-":
        os.setgroups([])
        os.setresgid(int(gid), int(gid), int(gid))
    if uid != "-":
        os.setresuid(int(uid), int(uid), int(uid))
    # After the change of user: the kernel forgets the death signal when credentials change.
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_PDEATHSIG, signal.SIGKILL), (PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != int(parent):
        sys.exit("the parent is gone")  # it died before the death signal was asked for
    os.execve(int(descriptor), argv, dict(os.environ))  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    become(sys.argv[1:])
