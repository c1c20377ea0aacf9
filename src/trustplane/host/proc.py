"""Evidence about a connected process, read from /proc.

Everything is read through one descriptor of /proc/<pid>, and believed only if the pinned process is still alive
afterwards: then the number was its own all along. A path is believed only if it leads, as we see the file system, to
the very file the process runs: in a mount namespace of its own anyone can give any program any path.
"""

from __future__ import annotations

import asyncio
import grp
import hashlib
import os
import pwd
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from trustplane.attest import proc_text
from trustplane.attest.evidence import Evidence
from trustplane.fault import Refused, Unavailable
from trustplane.host.peers import Peer, PeerTable
from trustplane.host.pidfd import PidFd, gone

MAX_FILE = 1 << 20  # of a text under /proc
MAX_EXECUTABLE = 1 << 30
MAX_DIGESTS = 1024
LIMIT = timedelta(seconds=20)
PROC = Path("/proc")


class Digests:
    """SHA-256 of executables, kept until the file changes."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, ...], str] = OrderedDict()
        self._lock = threading.Lock()  # evidence is gathered in worker threads

    def of(self, fd: int) -> str | None:
        found = os.fstat(fd)
        key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        if found.st_size > MAX_EXECUTABLE:
            return None
        with os.fdopen(os.dup(fd), "rb", buffering=0) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with self._lock:
            self._known[key] = digest
            while len(self._known) > MAX_DIGESTS:
                self._known.popitem(last=False)
        return digest


class ProcReader:
    def __init__(self, root: Path = PROC, digests: Digests | None = None) -> None:
        self._root = root
        self._digests = digests or Digests()

    def read(self, peer: Peer, pidfd: PidFd, *, digest: bool) -> Evidence:
        """Blocks: reads files, the user database and, for the digest, a whole executable."""
        if peer.pid == 0:
            raise Refused(
                code="caller-unseen",
                what="the calling process is not in the agent's pid namespace",
                why="what cannot be looked at cannot be attested",
                fix="run the agent in the host's pid namespace (Kubernetes: hostPID)",
            )
        try:
            directory = os.open(self._root / str(peer.pid), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise gone(peer.pid) from error
        try:
            evidence = self._read(directory, peer, digest=digest)
        finally:
            os.close(directory)
            alive = pidfd.alive()
        if not alive:
            raise gone(peer.pid)
        return evidence

    def _read(self, directory: int, peer: Peer, *, digest: bool) -> Evidence:
        now = proc_text.credentials(_text(directory, "status") or "")
        if now is not None and (now.uid, now.gid) != (peer.uid, peer.gid):
            raise Refused(
                code="caller-changed",
                what=f"the caller (pid {peer.pid}) connected as {peer.uid}:{peer.gid} and now is {now.uid}:{now.gid}",
                why="it is not clear whose identity it asks for",
                fix="connect after the process has taken its final user and group",
            )
        path = proc_text.cgroup(_text(directory, "cgroup") or "")
        executable, sha256 = self._executable(directory, digest=digest)
        return Evidence(
            uid=peer.uid,
            gid=peer.gid,
            supplementary_gids=now.groups if now else frozenset(),
            user=_name(lambda: pwd.getpwuid(peer.uid).pw_name),
            group=_name(lambda: grp.getgrgid(peer.gid).gr_name),
            executable=executable,
            executable_sha256=sha256,
            cgroup=path,
            systemd_unit=proc_text.systemd_unit(path) if path else None,
        )

    def _executable(self, directory: int, *, digest: bool) -> tuple[str | None, str | None]:
        try:
            path = os.readlink("exe", dir_fd=directory)
            running = os.stat("exe", dir_fd=directory)
            return (path if _leads_to(path, running) else None), (self._digest(directory) if digest else None)
        except OSError:
            return None, None

    def _digest(self, directory: int) -> str | None:
        running = os.open("exe", os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        try:
            return self._digests.of(running)
        finally:
            os.close(running)


def _leads_to(path: str, running: os.stat_result) -> bool:
    # Also settles " (deleted)", which the kernel appends and a file's name may end in.
    try:
        return os.path.samestat(os.stat(path), running)  # noqa: PTH116 - a str, never normalised
    except (OSError, ValueError):
        return False


def _text(directory: int, name: str) -> str | None:
    try:
        with os.fdopen(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory), "rb") as file:
            return file.read(MAX_FILE).decode(errors="replace")
    except OSError:
        return None


def _name(look_up: Callable[[], str]) -> str | None:
    try:
        return look_up()
    except KeyError:
        return None


@dataclass(frozen=True, slots=True)
class ProcCaller:
    """A peer whose evidence can be asked for; satisfies `flows.node.serve_identities.Caller`."""

    peer: Peer
    reader: ProcReader
    limit: timedelta = LIMIT

    async def evidence(self, *, digest: bool) -> Evidence:
        # A copy, because the connection may end, and its pidfd's number be reused, while the thread still reads.
        try:
            pidfd = self.peer.pidfd.copy()
        except OSError as error:
            raise gone(self.peer.pid) from error
        reading = asyncio.get_running_loop().run_in_executor(None, self._read_and_close, pidfd, digest)
        try:
            async with asyncio.timeout(self.limit.total_seconds()):
                return await reading
        except TimeoutError:
            raise Unavailable(
                code="attestation-slow",
                what=f"the calling process (pid {self.peer.pid}) could not be looked at within {self.limit}",
                why="reading /proc, the user database or its executable takes too long",
                fix="look for a hanging file system or name service on this node",
            ) from None

    def _read_and_close(self, pidfd: PidFd, digest: bool) -> Evidence:  # noqa: FBT001 - run_in_executor passes by position
        try:
            return self.reader.read(self.peer, pidfd, digest=digest)
        finally:
            pidfd.close()


@dataclass(frozen=True, slots=True)
class ProcCallers:
    """From a gRPC peer's name to a process; satisfies `wire.workload_api.Callers`."""

    peers: PeerTable
    reader: ProcReader

    def of(self, name: str) -> ProcCaller:
        return ProcCaller(self.peers.of(name), self.reader)
