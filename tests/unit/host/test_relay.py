"""The relay against an echo server of the test's own: what gRPC does behind it is tests/conformance's.

Every case runs on asyncio and on uvloop, which differ where this code is delicate.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from tests.kit.workload import until
from trustplane.fault import Refused
from trustplane.host.inner_socket import inner_socket
from trustplane.host.peers import Peer, PeerTable, Pin
from trustplane.host.pidfd import PidFd, of_peer
from trustplane.host.relay import Relay, RelayLimits
from trustplane.host.unix_socket import listen

pytestmark = pytest.mark.network

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


@dataclass
class Behind:
    """A server on the inner socket that echoes, and remembers by which names it was called."""

    listener: socket.socket
    names: list[str] = field(default_factory=list)
    ended: int = 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            while True:
                connection, name = await loop.sock_accept(self.listener)
                self.names.append(f"unix-abstract:{name[1:].decode()}")
                tasks.create_task(self._echo(connection))

    async def _echo(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with connection, contextlib.suppress(OSError):
            while chunk := await loop.sock_recv(connection, 65536):
                await loop.sock_sendall(connection, chunk)
        self.ended += 1


@dataclass
class Setting:
    path: Path
    relay: Relay
    peers: PeerTable
    behind: Behind
    stop: Callable[[], Awaitable[None]]

    async def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        client.connect(str(self.path))
        return client


async def echoed(client: socket.socket, sent: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    sending = asyncio.ensure_future(loop.sock_sendall(client, sent))
    received = b""
    while len(received) < len(sent) and (chunk := await loop.sock_recv(client, 65536)):
        received += chunk
    await sending
    return received


@contextlib.asynccontextmanager
async def setting(
    folder: Path, limits: RelayLimits | None = None, pin: Pin = of_peer, backlog: int = 1024
) -> AsyncIterator[Setting]:
    outer = listen(folder / "public.sock")
    with inner_socket() as inner, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as listener:
        listener.bind(str(inner))
        listener.listen(backlog)
        behind, peers = Behind(listener), PeerTable()
        relay = Relay(outer.listener, inner, peers, limits, pin)
        serving = asyncio.ensure_future(behind.run())
        running = asyncio.ensure_future(relay.run())

        async def stop() -> None:
            running.cancel()
            await asyncio.wait([running])

        try:
            yield Setting(outer.path, relay, peers, behind, stop)
        finally:
            await stop()
            serving.cancel()
            await asyncio.wait([serving])
            outer.close()


@pytest.fixture(params=LOOPS)
def play(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[None]]], None]:
    def run(scenario: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            await scenario()

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(main())

    return run


Play = Callable[[Callable[[], Awaitable[None]]], None]


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_bytes_pass_both_ways_unchanged(socket_dir: Path, play: Play) -> None:
    async def scenario() -> None:
        async with setting(socket_dir) as one:
            with await one.connect() as client:
                large = os.urandom(3_000_000)
                assert await echoed(client, b"hello") == b"hello"
                assert await echoed(client, large) == large

    play(scenario)


def test_what_is_sent_before_the_inner_side_is_linked_arrives(socket_dir: Path, play: Play) -> None:
    async def scenario() -> None:
        async with setting(socket_dir) as one:
            with await one.connect() as client:
                client.send(b"first bytes")  # in the kernel before the relay accepts
                assert await asyncio.get_running_loop().sock_recv(client, 100) == b"first bytes"

    play(scenario)


def test_the_name_grpc_sees_leads_to_the_connecting_process(socket_dir: Path, play: Play) -> None:
    async def scenario() -> None:
        async with setting(socket_dir) as one:
            with await one.connect() as client:
                await echoed(client, b"x")
                peer = one.peers.of(one.behind.names[0])
                assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.geteuid(), os.getegid())
                assert peer.alive()
            await until(lambda: one.relay.connections == 0)
            with pytest.raises(Refused):
                one.peers.of(one.behind.names[0])

    play(scenario)


def test_no_two_connections_share_a_name(socket_dir: Path, play: Play) -> None:
    async def scenario() -> None:
        async with setting(socket_dir) as one:
            with await one.connect() as first, await one.connect() as second:
                await echoed(first, b"x")
                await echoed(second, b"x")
                assert len(set(one.behind.names)) == 2

    play(scenario)


def test_half_closing_by_the_client_ends_the_connection(socket_dir: Path, play: Play) -> None:
    async def scenario() -> None:
        async with setting(socket_dir) as one:
            with await one.connect() as client:
                await echoed(client, b"x")
                client.shutdown(socket.SHUT_WR)
                assert await asyncio.get_running_loop().sock_recv(client, 100) == b""
            await until(lambda: one.relay.connections == 0)
            await until(lambda: one.behind.ended == 1)
            assert len(one.peers) == 0

    play(scenario)


def test_the_inner_side_closing_ends_the_connection(socket_dir: Path, play: Play) -> None:
    async def scenario() -> None:
        async with setting(socket_dir) as one:
            loop = asyncio.get_running_loop()

            async def farewell(connection: socket.socket) -> None:
                with connection:
                    await loop.sock_recv(connection, 100)
                    await loop.sock_sendall(connection, b"bye")

            one.behind._echo = farewell  # type: ignore[method-assign]  # another server behind the same relay
            with await one.connect() as client:
                await loop.sock_sendall(client, b"x")
                assert await loop.sock_recv(client, 100) == b"bye"
                assert await loop.sock_recv(client, 100) == b""
            await until(lambda: one.relay.connections == 0)

    play(scenario)


def test_a_full_inner_backlog_is_waited_out(socket_dir: Path, play: Play) -> None:
    """connect() to a full Unix backlog says EAGAIN, which must not be taken for a connection."""

    async def scenario() -> None:
        async with setting(socket_dir, backlog=0) as one:
            clients = [await one.connect() for _ in range(40)]
            try:
                for client in clients:
                    assert await echoed(client, b"ping") == b"ping"
            finally:
                for client in clients:
                    client.close()

    play(scenario)


def test_a_user_has_so_many_connections_and_no_more(socket_dir: Path, play: Play) -> None:
    async def scenario() -> None:
        async with setting(socket_dir, RelayLimits(connections=100, connections_per_uid=3)) as one:
            clients = [await one.connect() for _ in range(3)]
            for client in clients:
                assert await echoed(client, b"x") == b"x"
            with await one.connect() as too_many:
                assert await ended(too_many)
            assert one.relay.turned_away == 1
            clients.pop().close()
            await until(lambda: one.relay.connections == 2)
            with await one.connect() as again:
                assert await echoed(again, b"x") == b"x"
            for client in clients:
                client.close()

    play(scenario)


def test_all_users_together_have_so_many_connections(socket_dir: Path, play: Play) -> None:
    async def scenario() -> None:
        async with setting(socket_dir, RelayLimits(connections=2, connections_per_uid=100)) as one:
            clients = [await one.connect() for _ in range(2)]
            for client in clients:
                assert await echoed(client, b"x") == b"x"
            with await one.connect() as too_many:
                assert await ended(too_many)
            for client in clients:
                client.close()

    play(scenario)


async def ended(client: socket.socket) -> bool:
    try:
        return await asyncio.get_running_loop().sock_recv(client, 1) == b""
    except ConnectionResetError:
        return True


def test_a_thousand_idle_connections_are_capped_and_leave_no_descriptor(socket_dir: Path, play: Play) -> None:
    async def scenario() -> None:
        before = count_descriptors()
        async with setting(socket_dir, RelayLimits(connections=500, connections_per_uid=200)) as one:
            clients = [await one.connect() for _ in range(1000)]
            await until(lambda: one.relay.turned_away == 800)
            assert one.relay.connections == 200
            assert await echoed(clients[0], b"still served") == b"still served"
            for client in clients:
                client.close()
            await until(lambda: one.relay.connections == 0)
        assert count_descriptors() == before

    play(scenario)


def test_a_peer_that_cannot_be_pinned_is_closed(socket_dir: Path, play: Play) -> None:
    def nobody(connection: socket.socket, pid: int) -> PidFd:
        raise OSError(errno.EMFILE, "Too many open files")

    async def scenario() -> None:
        async with setting(socket_dir, pin=nobody) as one:
            with await one.connect() as client:
                assert await ended(client)
            assert one.relay.connections == 0

    play(scenario)


def test_stopping_closes_every_connection_and_descriptor(socket_dir: Path, play: Play) -> None:
    async def scenario() -> None:
        before = count_descriptors()
        async with setting(socket_dir) as one:
            clients = [await one.connect() for _ in range(20)]
            for client in clients[:10]:
                await echoed(client, b"x")
            await one.stop()  # ten of them it has perhaps only just accepted
            assert one.relay.connections == 0
            assert len(one.peers) == 0
            for client in clients[:10]:
                assert await ended(client)
            for client in clients:
                client.close()
        assert count_descriptors() == before

    play(scenario)


def test_a_client_that_never_reads_holds_up_nobody(socket_dir: Path, play: Play) -> None:
    async def scenario() -> None:
        async with setting(socket_dir) as one:
            with await one.connect() as stuck, await one.connect() as other:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        stuck.send(b"x" * 65536)
                assert await echoed(other, b"served") == b"served"

    play(scenario)


def test_the_inner_directory_is_ours_alone_and_goes_away() -> None:
    with inner_socket() as inner:
        assert inner.parent.stat().st_mode & 0o777 == 0o700
        assert inner.parent.stat().st_uid == os.geteuid()
    assert not inner.parent.exists()


def test_a_peer_says_who_it_is_and_not_its_descriptor() -> None:
    left, right = socket.socketpair()
    with left, right:
        peer = Peer(1, 2, 3, of_peer(left, os.getpid()))
        assert repr(peer) == "Peer(pid=1, uid=2, gid=3)"
        peer.pidfd.close()
