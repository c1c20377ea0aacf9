"""A mesh on a bench: real Envoys, our ADS on a Unix socket, a tiny service behind each sidecar.

Everything stands in one folder and on free loopback ports, and is gone when the `async with` ends. What the sidecars
acknowledge is recorded; what they should hold can be changed while they run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Self

import grpc
import httpx

from trustplane.host.envoy import Envoy, EnvoySettings, running
from trustplane.main.bench_ports import AnyPeer, Desired, Recorded
from trustplane.registry.candidate import NO_CANDIDATE, Candidate
from trustplane.registry.model import Ports, Probe
from trustplane.registry.view import Callee, Caller, Endpoint, Sidecar
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.names import ServiceName
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.wire.xds import SERVER_OPTIONS, services
from trustplane.wire.xds_messages import XdsMessages
from trustplane.wire.xds_stream import Peers, XdsPorts
from trustplane.xds.bootstrap import Sockets, bootstrap
from trustplane.xds.guards import published
from trustplane.xds.open_connections import generations_of
from trustplane.xds.snapshot import NOTHING_WITHDRAWN, Snapshot, snapshot, trying
from trustplane.xds.surroundings import Surroundings

PATIENCE = timedelta(seconds=30)
LEAF_LIFETIME = timedelta(minutes=1)
LONGEST_REQUEST = timedelta(seconds=5)
DRAIN = timedelta(seconds=2)
LOOPBACK = "127.0.0.1"
LOOK_EVERY_SECONDS = 0.1
# Each once, beginning where no other run is likely to begin.
_BELOW_THE_KERNELS = range(22000, 32768)
_PORTS = islice(cycle(_BELOW_THE_KERNELS), secrets.randbelow(len(_BELOW_THE_KERNELS)), None)


@dataclass
class Member:
    """One service with its sidecar."""

    sidecar: Sidecar
    svid: KeyedSvid = field(repr=False)
    log: Path
    admin: Path
    served: list[dict[str, object]] = field(default_factory=list)
    envoy: Envoy | None = None
    serves_http: bool = True
    generations: tuple[str, ...] = ()  # of its connections, the newest first
    candidate: Candidate = NO_CANDIDATE

    @property
    def node(self) -> str:
        return str(self.sidecar.service)


class EnvoyBench:
    """`at` is the instant at which what is published is judged fit."""

    def __init__(self, folder: Path, binary: Path, messages: XdsMessages, bundles: BundleSet, at: datetime) -> None:
        self.folder = folder
        self.binary = binary
        self.messages = messages
        self.bundles = bundles
        self.at = at
        self.uptake = Recorded()
        self.desired = Desired()
        self.withdrawn = NOTHING_WITHDRAWN
        self.members: dict[str, Member] = {}
        self._ads: grpc.aio.Server | None = None
        self._stack = contextlib.AsyncExitStack()

    @property
    def peers(self) -> Peers:
        return AnyPeer()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        self._stack.push_async_callback(self.stop_ads)
        await self.start_ads()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def place(
        self,
        service: ServiceName,
        svid: KeyedSvid,
        *,
        allows: Iterable[Caller] = (),
        calls: Iterable[str] = (),
        probes: tuple[Probe, ...] = (),
    ) -> Member:
        """Callees must have been placed before their callers."""
        folder = self.folder / service.name
        folder.mkdir()
        sidecar = Sidecar(
            service=service,
            spiffe_id=svid.svid.spiffe_id,
            ports=Ports(free_port(), free_port()),
            callers=tuple(allows),
            callees=tuple(self._callee(callee) for callee in calls),
            probes=probes,
            longest_request=LONGEST_REQUEST,
            leaf_lifetime=LEAF_LIFETIME,
        )
        member = Member(sidecar, svid, folder / "access.log", folder / "admin.sock")
        self.members[service.name] = member
        return member

    def _callee(self, name: str) -> Callee:
        callee = self.members[name].sidecar
        endpoints = (Endpoint(LOOPBACK, callee.ports.mesh),)
        return Callee(callee.service, callee.spiffe_id, free_port(), endpoints, callee.longest_request)

    async def start_ads(self) -> None:
        self._ads = grpc.aio.server(options=SERVER_OPTIONS)
        ports = XdsPorts(self.peers, self.desired, self.uptake)
        self._ads.add_generic_rpc_handlers(services(ports, self.messages))
        self._ads.add_insecure_port(f"unix:{self.ads_socket}")
        await self._ads.start()

    async def stop_ads(self) -> None:
        if self._ads is not None:
            await self._ads.stop(0)
            self._ads = None

    @property
    def ads_socket(self) -> Path:
        return self.folder / "ads.sock"

    async def start(self) -> None:
        """Publish for every member, start its service and its Envoy, and wait until it holds what it should."""
        for member in self.members.values():
            self.publish(member)
            if member.serves_http:
                server = await asyncio.start_server(_service(member), LOOPBACK, member.sidecar.ports.app)
                self._stack.push_async_callback(_closed, server)
            await self.start_envoy(member)
        for member in self.members.values():
            if member.envoy is not None:
                await member.envoy.ready()
            await self.settled(member)

    async def start_envoy(self, member: Member) -> Envoy:
        config = bootstrap(member.sidecar.service, Sockets(self.ads_socket, member.admin))
        settings = EnvoySettings(self.binary, member.admin.parent, member.admin, DRAIN)
        member.envoy = await self._stack.enter_async_context(running(settings, config))
        return member.envoy

    def offer(self, member: Member) -> Snapshot:
        here = Surroundings(LOOPBACK, LOOPBACK, str(member.log))
        made = snapshot(member.sidecar, member.svid, self.bundles, here, self.withdrawn, former=member.generations)
        member.generations = generations_of(made)
        return trying(made, member.sidecar, member.candidate)

    def publish(self, member: Member, **changes: object) -> None:
        """Recompute what the member should hold, after `changes` to its sidecar."""
        member.sidecar = replace(member.sidecar, **changes)  # type: ignore[arg-type] # fields checked by replace
        self.desired.publish(member.node, published(self.offer(member), self.at))

    def holds(self, member: Member) -> bool:
        """Whether its sidecar acknowledged everything it should hold."""
        held = self.uptake.held
        desired = {
            f"{one.kind.name.lower()}/{one.name}": one.known_as for one in self.desired.sidecars[member.node].offer
        }
        return all(
            (found := held.get((member.node, thing))) is not None and found.held == version and not found.refusal
            for thing, version in desired.items()
        )

    async def settled(self, member: Member) -> None:
        await self.uptake.until(lambda: self.holds(member))

    async def call(self, caller: str, callee: str, method: str = "GET", path: str = "/") -> httpx.Response:
        """As the service `caller` would: in the clear, through its own sidecar."""
        async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
            return await client.request(method, self.url(caller, callee, path))

    def url(self, caller: str, callee: str, path: str = "/") -> str:
        found = next(one for one in self.members[caller].sidecar.callees if one.service and one.service.name == callee)
        return f"http://{LOOPBACK}:{found.listen}{path}"

    async def logged(self, name: str, wanted: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        """The first line of the member's access log that is wanted, once Envoy has written it."""
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while True:
                for line in log_lines(self.members[name].log):
                    if wanted(line):
                        return line
                await asyncio.sleep(LOOK_EVERY_SECONDS)


def free_port() -> int:
    """Never of the kernel's own choosing range: a gRPC server elsewhere that asks for any port could get it between
    this look and Envoy's bind, and both would listen, each taking some of the connections (SO_REUSEPORT)."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def log_lines(path: Path) -> list[dict[str, object]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


async def _closed(server: asyncio.Server) -> None:
    server.close()
    await server.wait_closed()


def _service(member: Member) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """HTTP/1.1, answers with what it was asked; `/slow` takes a second."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
                await reader.readexactly(int(headers.get("content-length", "0")))
                method, path, _ = head[0].split(" ")
                asked: dict[str, object] = {"method": method, "path": path, "headers": headers}
                member.served.append(asked)
                if path == "/slow":
                    await asyncio.sleep(1)
                body = json.dumps(asked).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        writer.close()

    return serve
