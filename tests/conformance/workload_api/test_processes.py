"""Who gets which identity, with real processes: other users, exited ones, reused numbers, foreign pid namespaces."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from tests.kit.children import connected_child, ends, run_python, shared_connection, sleeper_with_pid
from tests.kit.debian import tool
from tests.kit.workload import Endpoint, entry, until, workload_endpoint
from trustplane.fault import Refused
from trustplane.host.peers import peer_of
from trustplane.host.pidfd import of_number
from trustplane.host.proc import ProcReader
from trustplane.host.unix_socket import listen
from trustplane.wire.gen.workload import messages_pb2, service_pb2_grpc
from trustplane.wire.workload_api import HEADER

pytestmark = pytest.mark.network
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes its user or its namespaces")

NOBODY = 65534
FETCH = """
import os, sys
from spiffe import WorkloadApiClient
from spiffe.workloadapi.errors import FetchX509SvidError
uid = int(sys.argv[2])
if uid != os.geteuid():
    os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
with WorkloadApiClient(sys.argv[1]) as client:
    try:
        print(client.fetch_x509_svid(timeout=30).spiffe_id)
    except FetchX509SvidError as error:
        print(error)
"""
WEB = "spiffe://acme.example/ns/shop/sa/web\n"


def fetched_by(endpoint: Endpoint, uid: int, *wrapped_in: str) -> str:
    found = run_python(FETCH, endpoint.address, str(uid), wrapped_in=wrapped_in)
    assert found.returncode == 0, found.stderr
    return found.stdout


@as_root
def test_each_user_gets_its_own_identity_and_no_other(socket_dir: Path) -> None:
    async def scenario() -> None:
        entries = [entry("web", "unix:uid:65534"), entry("api", "unix:uid:0")]
        async with workload_endpoint(socket_dir, entries) as endpoint:
            assert await asyncio.to_thread(fetched_by, endpoint, NOBODY) == WEB
            assert await asyncio.to_thread(fetched_by, endpoint, 0) == WEB.replace("web", "api")

    asyncio.run(scenario())


@as_root
def test_a_workload_with_the_wrong_uid_is_denied(socket_dir: Path) -> None:
    async def scenario() -> None:
        async with workload_endpoint(socket_dir, [entry("web", "unix:uid:0")]) as endpoint:
            assert "PERMISSION_DENIED" in await asyncio.to_thread(fetched_by, endpoint, NOBODY)

    asyncio.run(scenario())


@as_root
def test_a_process_in_a_namespace_below_the_agents_is_attested(socket_dir: Path) -> None:
    async def scenario() -> None:
        async with workload_endpoint(socket_dir, [entry("web")]) as endpoint:
            assert await asyncio.to_thread(fetched_by, endpoint, 0, tool("unshare"), "--pid", "--fork") == WEB

    asyncio.run(scenario())


ACCEPT_IN_CHILD_NAMESPACE = """
import os, socket, sys
from trustplane.fault import Refused
from trustplane.host.peers import peer_of
from trustplane.host.proc import ProcReader
listener = socket.socket(fileno=int(sys.argv[1]))
connection, _ = listener.accept()
peer = peer_of(connection)
try:
    ProcReader().read(peer, peer.pidfd, digest=False)
except Refused as fault:
    print(peer.pid, peer.alive(), fault.code)
"""


@as_root
def test_a_process_the_agent_cannot_see_is_denied(socket_dir: Path) -> None:
    """The agent stands in a child pid namespace here, and the caller outside: its pid reads as 0."""
    outer = listen(socket_dir / "api.sock")
    try:
        outer.listener.setblocking(True)
        outer.listener.set_inheritable(True)
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(outer.path))
            descriptor = outer.listener.fileno()
            found = subprocess.run(
                [tool("unshare"), "--pid", "--fork", sys.executable, "-c", ACCEPT_IN_CHILD_NAMESPACE, str(descriptor)],
                pass_fds=[descriptor],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert found.stdout == "0 True caller-unseen\n", found.stderr
    finally:
        outer.close()


def test_a_process_that_exited_before_it_was_accepted_gets_nothing(socket_dir: Path) -> None:
    outer = listen(socket_dir / "api.sock")
    try:
        with connected_child(outer.path) as child:
            ends(child)
        connection, _ = outer.listener.accept()
        with connection:
            peer = peer_of(connection)
            assert not peer.alive()
            with pytest.raises(Refused) as refusal:
                ProcReader().read(peer, peer.pidfd, digest=False)
            assert refusal.value.code == "caller-gone"
            peer.pidfd.close()
    finally:
        outer.close()


@as_root
@pytest.mark.xdist_group("pids")
def test_a_number_reused_before_accepting_does_not_inherit_the_identity(socket_dir: Path) -> None:
    outer = listen(socket_dir / "api.sock")
    try:
        with connected_child(outer.path) as child:
            ends(child)
        with sleeper_with_pid(child.pid):
            connection, _ = outer.listener.accept()
            with connection:
                peer = peer_of(connection)
                assert peer.pid == child.pid
                assert Path(f"/proc/{peer.pid}").exists()  # the successor is there to be mistaken for it
                with pytest.raises(Refused) as refusal:
                    ProcReader().read(peer, peer.pidfd, digest=False)
                assert refusal.value.code == "caller-gone"
                peer.pidfd.close()
    finally:
        outer.close()


@as_root
@pytest.mark.xdist_group("pids")
def test_a_number_reused_between_connecting_and_attestation_does_not_inherit_the_identity(socket_dir: Path) -> None:
    outer = listen(socket_dir / "api.sock")
    try:
        with connected_child(outer.path) as child:
            connection, _ = outer.listener.accept()
            peer = peer_of(connection)
            assert peer.alive()
            assert ProcReader().read(peer, peer.pidfd, digest=False).uid == os.geteuid()
            ends(child)
        with connection, sleeper_with_pid(peer.pid):
            with pytest.raises(Refused) as refusal:
                ProcReader().read(peer, peer.pidfd, digest=False)
            assert refusal.value.code == "caller-gone"
        peer.pidfd.close()
    finally:
        outer.close()


@as_root
@pytest.mark.xdist_group("pids")
def test_an_old_kernels_pin_by_number_still_covers_reuse_after_accepting(socket_dir: Path) -> None:
    outer = listen(socket_dir / "api.sock")
    try:
        with connected_child(outer.path) as child:
            connection, _ = outer.listener.accept()
            peer = peer_of(connection, lambda _, pid: of_number(pid))
            ends(child)
        with connection, sleeper_with_pid(peer.pid):
            assert not peer.alive()
            with pytest.raises(Refused) as refusal:
                ProcReader().read(peer, peer.pidfd, digest=False)
            assert refusal.value.code == "caller-gone"
        peer.pidfd.close()
    finally:
        outer.close()


def test_the_exit_of_a_process_ends_what_its_children_inherited(socket_dir: Path) -> None:
    """A process that kept the descriptor must not go on as the one it got it from."""

    async def scenario() -> None:
        async with workload_endpoint(socket_dir, [entry("web")]) as endpoint:
            sharing = shared_connection(endpoint.path)
            child, inherited = await asyncio.to_thread(sharing.__enter__)
            try:
                await until(lambda: endpoint.relay.connections == 1)
                ends(child)
                loop = asyncio.get_running_loop()
                while await loop.sock_recv(inherited, 4096):
                    pass  # gRPC's greeting, then the end
                await until(lambda: endpoint.relay.connections == 0)
                assert len(endpoint.peers) == 0
            finally:
                sharing.__exit__(None, None, None)

    asyncio.run(scenario())


def test_a_call_past_the_relay_is_denied(socket_dir: Path) -> None:
    """Who gets at gRPC's own socket, as only our own user can, still is nobody."""

    async def scenario() -> None:
        async with (
            workload_endpoint(socket_dir, [entry("web")]) as endpoint,
            grpc.aio.insecure_channel(f"unix:{endpoint.inner}") as channel,
        ):
            stub = service_pb2_grpc.SpiffeWorkloadAPIStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await anext(aiter(stub.FetchX509SVID(messages_pb2.X509SVIDRequest(), metadata=(HEADER,))))
            assert refusal.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert endpoint.inner.parent.stat().st_mode & 0o777 == 0o700

    asyncio.run(scenario())
