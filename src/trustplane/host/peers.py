"""Who is at the other end of a Unix socket: the process the kernel recorded when it connected.

A relay enters each connection here under the random name its inner socket is bound to; gRPC hands that name back as
`context.peer()`. A name that is not in the table is refused.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from trustplane.fault import Refused
from trustplane.host.pidfd import PidFd, of_peer

_UCRED = struct.Struct("3i")  # pid, uid, gid
_UNSIGNED = 0xFFFFFFFF

Pin = Callable[[socket.socket, int], PidFd]


@dataclass(frozen=True, slots=True)
class Peer:
    """One connected process. `uid` and `gid` are its effective IDs when it connected.

    A `pid` of 0 stands for a process that this one cannot see, in a pid namespace above or beside its own.
    """

    pid: int
    uid: int
    gid: int
    pidfd: PidFd = field(repr=False, compare=False)

    def alive(self) -> bool:
        return self.pidfd.alive()


def peer_of(connection: socket.socket, pin: Pin = of_peer) -> Peer:
    """The caller owns the peer's `pidfd`."""
    record = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(record)
    return Peer(pid, uid & _UNSIGNED, gid & _UNSIGNED, pin(connection, pid))


class PeerTable:
    def __init__(self) -> None:
        self._peers: dict[str, Peer] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def enter(self, name: str, peer: Peer) -> None:
        self._peers[name] = peer

    def remove(self, name: str) -> None:
        del self._peers[name]

    def of(self, name: str) -> Peer:
        found = self._peers.get(name)
        if found is None:
            raise Refused(
                code="caller-unseen",
                what="the call did not come through the public socket",
                why="only there does the kernel say which process calls",
                fix="connect to the agent's socket, and keep the connection open until the answer is there",
            )
        return found
