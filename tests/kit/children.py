"""Child processes that play a workload: made with fork, told what to do through a pipe, always reaped."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_CONNECT = """
import os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
print("connected", flush=True)
sys.stdin.readline()
"""

_SHARE = """
import socket, sys
out = socket.socket(fileno=int(sys.argv[2]))
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
socket.send_fds(out, [b"x"], [connection.fileno()])
sys.stdin.readline()
"""


@contextlib.contextmanager
def connected_child(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that has connected to that socket and then waits."""
    with subprocess.Popen(
        [sys.executable, "-c", _CONNECT, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "connected\n"
            yield child
        finally:
            child.kill()


@contextlib.contextmanager
def shared_connection(path: Path) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """A process that has connected to that socket, and its connection, which now is also ours."""
    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        subprocess.Popen(
            [sys.executable, "-c", _SHARE, str(path), str(theirs.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        ) as child,
    ):
        try:
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
            with socket.socket(fileno=descriptors[0]) as inherited:
                inherited.setblocking(False)
                yield child, inherited
        finally:
            child.kill()


def ends(child: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait(30)


@contextlib.contextmanager
def sleeper_with_pid(pid: int) -> Iterator[None]:
    """A new process that has exactly this number, which must be free. Needs root: the kernel is told what to give."""
    for _ in range(1000):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        child = os.posix_spawn("/bin/sleep", ["sleep", "1000"], {})
        try:
            if child == pid:
                yield
                return
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    raise AssertionError(f"the number {pid} could not be had again")


def run_python(program: str, *arguments: str, wrapped_in: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """That program in a new interpreter, which sees this checkout and the same packages."""
    return subprocess.run(
        [*wrapped_in, sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
