"""Evidence about real processes, and about a /proc that does not answer as it should."""

from __future__ import annotations

import asyncio
import grp
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.debian import tool
from trustplane.attest.evidence import Evidence
from trustplane.fault import Refused, Unavailable
from trustplane.host import proc
from trustplane.host.peers import Peer, PeerTable
from trustplane.host.pidfd import PidFd, of_number
from trustplane.host.proc import Digests, ProcCallers, ProcReader

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes its user or its namespaces")


@contextmanager
def peer_for(pid: int, uid: int | None = None, gid: int | None = None) -> Iterator[Peer]:
    pinned = of_number(pid)
    try:
        yield Peer(pid, os.geteuid() if uid is None else uid, os.getegid() if gid is None else gid, pinned)
    finally:
        pinned.close()


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([*command], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as child:
        try:
            yield child
        finally:
            child.kill()


def evidence_of(peer: Peer, *, digest: bool = False, reader: ProcReader | None = None) -> Evidence:
    return (reader or ProcReader()).read(peer, peer.pidfd, digest=digest)


def test_everything_the_system_knows_about_this_process() -> None:
    with peer_for(os.getpid()) as peer:
        found = evidence_of(peer, digest=True)
    assert found.uid == os.geteuid()
    assert found.gid == os.getegid()
    assert found.supplementary_gids == frozenset(os.getgroups())
    assert found.user == pwd.getpwuid(os.geteuid()).pw_name
    assert found.group == grp.getgrgid(os.getegid()).gr_name
    assert found.executable == str(Path(sys.executable).resolve())
    with Path(sys.executable).open("rb") as file:
        assert found.executable_sha256 == hashlib.file_digest(file, "sha256").hexdigest()


def test_the_digest_is_made_only_when_it_is_asked_for() -> None:
    with peer_for(os.getpid()) as peer:
        assert evidence_of(peer).executable_sha256 is None


def test_a_user_without_a_name_has_none(tmp_path: Path) -> None:
    (tmp_path / str(os.getpid())).mkdir()
    with peer_for(os.getpid(), uid=3_999_999_999, gid=3_999_999_999) as peer:
        found = evidence_of(peer, reader=ProcReader(tmp_path))
    assert found == Evidence(3_999_999_999, 3_999_999_999)


def test_a_deleted_executable_keeps_its_digest_and_loses_its_path(tmp_path: Path) -> None:
    program = tmp_path / "web"
    shutil.copy("/bin/sleep", program)
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    with running(str(program), "1000") as child, peer_for(child.pid) as peer:
        assert evidence_of(peer).executable == str(program)
        program.unlink()
        found = evidence_of(peer, digest=True)
        assert found.executable is None
        assert found.executable_sha256 == digest


def test_a_replaced_executable_does_not_lend_its_path_to_the_old_process(tmp_path: Path) -> None:
    program, newer = tmp_path / "web", tmp_path / "newer"
    shutil.copy("/bin/sleep", program)
    shutil.copy("/bin/cat", newer)
    with running(str(program), "1000") as child, peer_for(child.pid) as peer:
        newer.rename(program)
        assert evidence_of(peer).executable is None


def test_a_file_whose_name_ends_like_a_deleted_one_is_believed(tmp_path: Path) -> None:
    program = tmp_path / "web (deleted)"
    shutil.copy("/bin/sleep", program)
    with running(str(program), "1000") as child, peer_for(child.pid) as peer:
        assert evidence_of(peer).executable == str(program)


@as_root
def test_a_path_made_up_in_a_mount_namespace_is_not_believed(tmp_path: Path) -> None:
    """Anyone may mount their own program over any path in a namespace of their own."""
    payments, evil = tmp_path / "payments", tmp_path / "evil"
    shutil.copy("/bin/true", payments)
    shutil.copy("/bin/cat", evil)
    script = f"mount --bind {evil} {payments} && exec {payments}"
    with running(tool("unshare"), "--mount", "sh", "-c", script) as child, peer_for(child.pid) as peer:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"running\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"running\n"
        assert Path(f"/proc/{child.pid}/exe").readlink() == payments  # what it claims
        assert evidence_of(peer).executable is None


@as_root
def test_a_process_that_changed_its_user_after_connecting_is_refused() -> None:
    with peer_for(os.getpid(), uid=4242) as peer, pytest.raises(Refused) as refusal:
        evidence_of(peer)
    assert refusal.value.code == "caller-changed"


def test_a_process_nobody_here_can_see_is_refused() -> None:
    with peer_for(os.getpid()) as seen:
        unseen = Peer(0, seen.uid, seen.gid, seen.pidfd)
        with pytest.raises(Refused) as refusal:
            evidence_of(unseen)
    assert refusal.value.code == "caller-unseen"
    assert "hostPID" in refusal.value.finding.fix


def test_a_process_that_exits_while_it_is_looked_at_is_refused() -> None:
    """Whatever was read then may be its successor's."""
    with running("/bin/sleep", "1000") as child, peer_for(child.pid) as peer:

        class ExitsWhileRead(Digests):
            def of(self, fd: int) -> str | None:
                child.kill()
                child.wait()
                return super().of(fd)

        reader = ProcReader(digests=ExitsWhileRead())
        with pytest.raises(Refused) as refusal:
            evidence_of(peer, digest=True, reader=reader)
        assert refusal.value.code == "caller-gone"


def test_a_hostile_proc_yields_no_facts_and_no_failure(tmp_path: Path) -> None:
    directory = tmp_path / str(os.getpid())
    directory.mkdir()
    (directory / "status").write_bytes(b"\xff\xfe\x00Uid:\tx\n" * 1000)
    (directory / "cgroup").write_bytes(b"\x00" * 100_000)
    (directory / "exe").symlink_to("/nowhere")
    with peer_for(os.getpid()) as peer:
        found = evidence_of(peer, digest=True, reader=ProcReader(tmp_path))
    assert (found.executable, found.executable_sha256, found.cgroup, found.systemd_unit) == (None, None, None, None)
    assert found.supplementary_gids == frozenset()


def test_a_digest_is_made_anew_when_the_file_changes(tmp_path: Path) -> None:
    program = tmp_path / "web"
    program.write_bytes(b"one")
    digests = Digests()

    def digest() -> str | None:
        with program.open("rb") as file:
            return digests.of(file.fileno())

    first = digest()
    assert first == digest() == hashlib.sha256(b"one").hexdigest()
    program.write_bytes(b"two")
    os.utime(program, ns=(1, 1))
    assert digest() == hashlib.sha256(b"two").hexdigest()


def test_a_file_too_large_to_read_has_no_digest(tmp_path: Path) -> None:
    sparse = tmp_path / "huge"
    with sparse.open("wb") as file:
        file.truncate(proc.MAX_EXECUTABLE + 1)
    with sparse.open("rb") as file:
        assert Digests().of(file.fileno()) is None


def test_a_caller_is_found_by_the_name_grpc_knows_it_by() -> None:
    with peer_for(os.getpid()) as peer:
        table = PeerTable()
        table.enter("unix-abstract:x", peer)
        caller = ProcCallers(table, ProcReader()).of("unix-abstract:x")
        assert asyncio.run(caller.evidence(digest=False)).uid == os.geteuid()
        table.remove("unix-abstract:x")
        with pytest.raises(Refused):
            ProcCallers(table, ProcReader()).of("unix-abstract:x")


def test_a_connection_that_ended_before_its_process_was_looked_at_is_refused() -> None:
    pinned = of_number(os.getpid())
    pinned.close()
    caller = proc.ProcCaller(Peer(os.getpid(), 0, 0, pinned), ProcReader())
    with pytest.raises(Refused) as refusal:
        asyncio.run(caller.evidence(digest=False))
    assert refusal.value.code == "caller-gone"


def test_looking_at_a_process_has_a_time_limit() -> None:
    released = threading.Event()

    class Hanging(ProcReader):
        def read(self, peer: Peer, pidfd: PidFd, *, digest: bool) -> Evidence:
            released.wait(60)
            return super().read(peer, pidfd, digest=digest)

    async def scenario(peer: Peer) -> None:
        caller = proc.ProcCaller(peer, Hanging(), limit=timedelta(milliseconds=1))
        with pytest.raises(Unavailable) as refusal:
            await caller.evidence(digest=False)
        assert refusal.value.code == "attestation-slow"
        released.set()

    with peer_for(os.getpid()) as peer:
        asyncio.run(scenario(peer))
