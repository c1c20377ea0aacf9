"""The public Unix socket in front of a gRPC server, so that a call can be traced to the process that makes it.

gRPC never asks the kernel who connects. The relay accepts each connection, reads the peer's credentials and pins the
process, then copies bytes to and from gRPC's own socket, which lies in a directory only we may enter. When either end
closes or the process exits, both ends are closed.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import structlog

from trustplane.fault import Broken, Refused
from trustplane.host.peers import Peer, PeerTable, Pin, peer_of
from trustplane.host.pidfd import of_peer

CHUNK = 16 * 1024
CONNECT_TRIES = 200
CONNECT_PAUSE = 0.01  # seconds
ACCEPT_PAUSE = 0.1  # seconds, when the process is out of descriptors or memory

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_log = structlog.get_logger("relay")


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """A connection takes four descriptors: LimitNOFILE must be above four times `connections`."""

    connections: int = 4096
    connections_per_uid: int = 1024


class Relay:
    def __init__(
        self,
        listener: socket.socket,
        inner: Path,
        peers: PeerTable,
        limits: RelayLimits | None = None,
        pin: Pin = of_peer,
    ) -> None:
        self._listener = listener
        self._inner = str(inner)
        self._peers = peers
        self._limits = limits or RelayLimits()
        self._pin = pin
        self._open: Counter[int] = Counter()  # by uid
        self._tasks: set[asyncio.Task[None]] = set()
        self.turned_away = 0

    @property
    def connections(self) -> int:
        return self._open.total()

    async def run(self) -> None:
        """Accept until cancelled; then every connection is closed before this returns."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    connection, _ = await loop.sock_accept(self._listener)
                except OSError as error:
                    await self._accept_failed(error)
                    continue
                self._take(connection)
        finally:
            ending = list(self._tasks)
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _accept_failed(self, error: OSError) -> None:
        if error.errno in _EXHAUSTED:
            _log.warning("accept-exhausted", error=error.strerror, connections=self.connections)
            await asyncio.sleep(ACCEPT_PAUSE)
        elif error.errno != errno.ECONNABORTED:
            raise Broken(
                code="listener-lost",
                what="the public socket can no longer be accepted on",
                why=str(error),
                fix="restart the process",
            ) from error

    def _take(self, connection: socket.socket) -> None:
        try:
            peer = peer_of(connection, self._pin)
        except (OSError, Refused):  # gone before it was seen, or no descriptor left for it
            connection.close()
            return
        if not peer.alive() or not self._room_for(peer):
            peer.pidfd.close()
            connection.close()
            return
        self._open[peer.uid] += 1
        task = asyncio.create_task(self._serve(connection, peer))
        self._tasks.add(task)
        # Not in the task itself: one that is cancelled before its first step never runs its `finally`.
        task.add_done_callback(lambda done: self._release(done, connection, peer))

    def _release(self, done: asyncio.Task[None], connection: socket.socket, peer: Peer) -> None:
        self._tasks.discard(done)
        connection.close()
        peer.pidfd.close()
        self._open[peer.uid] -= 1
        if not self._open[peer.uid]:
            del self._open[peer.uid]

    def _room_for(self, peer: Peer) -> bool:
        if self.connections < self._limits.connections and self._open[peer.uid] < self._limits.connections_per_uid:
            return True
        if self.turned_away.bit_count() <= 1:  # 0, 1, 2, 4, 8, ...: a flood must not become a flood of lines
            _log.warning("connection-turned-away", uid=peer.uid, pid=peer.pid, open=self.connections)
        self.turned_away += 1
        return False

    async def _serve(self, connection: socket.socket, peer: Peer) -> None:
        inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        name = f"trustplane-{secrets.token_hex(16)}"
        try:
            inner.bind(b"\0" + name.encode())
            entered = f"unix-abstract:{name}"  # what gRPC's context.peer() says
            self._peers.enter(entered, peer)
            try:
                await self._connect(inner)
                await _until_either_ends(connection, inner, peer)
            finally:
                self._peers.remove(entered)
        except OSError as error:
            _log.debug("connection-ended", pid=peer.pid, error=error.strerror)
        finally:
            inner.close()

    async def _connect(self, inner: socket.socket) -> None:
        # Not loop.sock_connect: on a Unix socket EAGAIN means the backlog is full, and asyncio takes it for
        # "in progress" and reports a connection that is none.
        for _ in range(CONNECT_TRIES):
            try:
                inner.connect(self._inner)
            except BlockingIOError:
                await asyncio.sleep(CONNECT_PAUSE)
            else:
                return
        raise TimeoutError(errno.ETIMEDOUT, "gRPC's own socket does not accept")


async def _until_either_ends(connection: socket.socket, inner: socket.socket, peer: Peer) -> None:
    # HTTP/2 never half-closes, so the end of either direction is the end of both.
    loop = asyncio.get_running_loop()
    exited: asyncio.Future[None] = loop.create_future()

    def note_exit() -> None:
        if not exited.done():
            exited.set_result(None)

    loop.add_reader(peer.pidfd.fileno(), note_exit)
    copying = [asyncio.ensure_future(_copy(connection, inner)), asyncio.ensure_future(_copy(inner, connection))]
    try:
        await asyncio.wait([*copying, exited], return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(peer.pidfd.fileno())
        for task in copying:
            task.cancel()
        # Awaited before the sockets close: a descriptor must not be reused while the loop still watches it.
        await asyncio.gather(*copying, return_exceptions=True)


async def _copy(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while chunk := await loop.sock_recv(source, CHUNK):
        await loop.sock_sendall(sink, chunk)
