"""Where the parts of a throw-away mesh run: all on one loopback address, or each node in a network of its own."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from trustplane.fault import Broken, Refused
from trustplane.flows.rehearsal import cannot_run
from trustplane.host.network_namespaces import Host, Network
from trustplane.main.demo.directory import free_loopback

SERVER_PORT, ENROLMENT_PORT = 20401, 20402
CALLER_APP, CALLER_MESH, CALLER_LISTEN, CALLEE_APP, CALLEE_MESH = range(20410, 20415)
PORTS = (SERVER_PORT, ENROLMENT_PORT, CALLER_APP, CALLER_MESH, CALLER_LISTEN, CALLEE_APP, CALLEE_MESH)


@dataclass(frozen=True, slots=True)
class Place:
    """`address` is where others reach it, `loopback` where its own services listen in the clear."""

    address: str
    loopback: str
    host: Host | None = None

    def command(self, words: Sequence[str]) -> tuple[str, ...]:
        return tuple(words) if self.host is None else self.host.command(words)

    def stream_socket(self) -> socket.socket:
        """A TCP socket that belongs to this place."""
        with contextlib.nullcontext() if self.host is None else self.host.entered():
            made = socket.socket()
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return made


@dataclass(frozen=True, slots=True)
class Places:
    """`server` and `nodes` are one place, unless they were asked to be apart."""

    server: Place
    nodes: tuple[Place, ...]
    network: Network | None = field(default=None)

    def sever(self, node: Place) -> None:
        """The server and this node no longer reach each other. All else goes on."""
        if self.network and self.server.host and node.host:
            self.network.sever(self.server.host, node.host)

    def mend(self, node: Place) -> None:
        if self.network and self.server.host and node.host:
            self.network.mend(self.server.host, node.host)


@contextlib.contextmanager
def together() -> Iterator[Places]:
    """The server and one node on one loopback address."""
    address = free_loopback(PORTS)
    place = Place(address, address)
    yield Places(place, (place,))


@contextlib.contextmanager
def apart(nodes: int) -> Iterator[Places]:
    """The server and each node in a network of its own, joined by a switch."""
    with contextlib.ExitStack() as stack:
        try:
            network = stack.enter_context(Network())
            server, *hosts = (network.host(name) for name in ("server", *(f"node-{n}" for n in range(nodes))))
        except (Refused, Broken) as fault:
            finding = fault.finding
            raise cannot_run(finding.what, finding.why, finding.fix) from fault
        yield Places(_in(server), tuple(_in(host) for host in hosts), network)


def _in(host: Host) -> Place:
    return Place(host.address, "127.0.0.1", host)
