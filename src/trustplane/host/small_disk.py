"""Becomes another program whose directory lies on a small disk of its own, which is gone when the program is.

Run as a program of its own: directory, bytes, then the other program's argument list. The mount is in a namespace that
only this process and its children see, so nothing stays mounted however they end.
"""

from __future__ import annotations

import ctypes
import os
import sys

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
MS_NOSUID, MS_NODEV = 2, 4
CANNOT = 77


def become(arguments: list[str]) -> None:
    directory, size, *argv = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={int(size)},mode=0700".encode()
    steps = (
        (libc.unshare, (CLONE_NEWNS,)),
        (libc.mount, (b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)),
        (libc.mount, (b"tmpfs", os.fsencode(directory), b"tmpfs", ctypes.c_ulong(MS_NOSUID | MS_NODEV), options)),
    )
    for call, numbers in steps:
        if call(*numbers) != 0:
            sys.stderr.write(f"{os.strerror(ctypes.get_errno())}\n")
            sys.exit(CANNOT)
    os.execv(argv[0], argv)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    become(sys.argv[1:])
