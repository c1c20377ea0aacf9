"""A mesh on a bench: real Envoys, our ADS on a Unix socket, a tiny service behind each sidecar.

Everything stands in one folder and on free loopback ports, and is gone when the `async with` ends. What the sidecars
acknowledge is recorded; what the ports of `wire.xds` answer can be changed while they run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Self, Unpack

import grpc
import httpx

from tests.kit.ca import Overrides, TestCa, pkcs8
from tests.kit.xds_ports import Attested, Desired, Recorded
from trustplane.host.envoy import Envoy, EnvoySettings, find_envoy, running
from trustplane.registry.model import Operation, Ports, Probe
from trustplane.registry.view import Callee, Caller, Endpoint, Sidecar
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import ServiceName, default_id
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.wire.descriptors import Descriptors
from trustplane.wire.xds import SERVER_OPTIONS, services
from trustplane.wire.xds_messages import XdsMessages
from trustplane.wire.xds_stream import XdsPorts
from trustplane.xds.bootstrap import BOOTSTRAP, Sockets, bootstrap
from trustplane.xds.guards import published
from trustplane.xds.snapshot import snapshot
from trustplane.xds.surroundings import Surroundings

ACME = TrustDomain("acme.example")
PATIENCE = timedelta(seconds=30)
LEAF_LIFETIME = timedelta(minutes=1)
LONGEST_REQUEST = timedelta(seconds=5)
DRAIN = timedelta(seconds=2)
LOOPBACK = "127.0.0.1"
# Beside the temporary folders, so that a test run reads the 100 MB binary once.
DESCRIPTOR_CACHE = Path(tempfile.gettempdir()) / "trustplane-test-descriptors"
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

    @property
    def node(self) -> str:
        return str(self.sidecar.service)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class RefusedConnection(Exception):  # noqa: N818 - what happened, as the tests read it
    """The other side ended the connection instead of answering."""


def free_port() -> int:
    """Never of the kernel's own choosing range: a gRPC server of another test that asks for any port could get it
    between this look and Envoy's bind, and both would listen, each taking some of the connections (SO_REUSEPORT)."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


class EnvoyBench:
    def __init__(self, folder: Path, binary: Path | None = None) -> None:
        self.folder = folder
        self.binary = find_envoy(binary)
        self.descriptors = Descriptors.of(self.binary, DESCRIPTOR_CACHE)
        self.root = TestCa.root(ACME)
        self.issuing = self.root.intermediate()
        self.bundles = BundleSet.of(Bundle(ACME, (self.root.certificate,)))
        self.uptake = Recorded()
        self.desired = Desired()
        self.peers = Attested()
        self.members: dict[str, Member] = {}
        self.at = datetime.now(UTC)  # noqa: TID251 - real Envoys verify by the real clock
        self._ads: grpc.aio.Server | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        self._stack.push_async_callback(self.stop_ads)
        await self.start_ads()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def keyed(self, spiffe_id: SpiffeId | str, ca: TestCa | None = None, **overrides: Unpack[Overrides]) -> KeyedSvid:
        chain, key = (ca or self.issuing).leaf_chain(spiffe_id, **overrides)
        return KeyedSvid(X509Svid(chain), pkcs8(key))

    def add(
        self,
        name: str,
        *,
        allows: Mapping[str, tuple[Operation, ...]] | None = None,
        calls: Iterable[str] = (),
        probes: tuple[Probe, ...] = (),
    ) -> Member:
        """Callees must have been added before their callers."""
        service = ServiceName("shop", name)
        spiffe_id = default_id(ACME, service)
        folder = self.folder / name
        folder.mkdir()
        sidecar = Sidecar(
            service=service,
            spiffe_id=spiffe_id,
            ports=Ports(free_port(), free_port()),
            callers=tuple(Caller(self.id_of(caller), operations) for caller, operations in (allows or {}).items()),
            callees=tuple(self._callee(callee) for callee in calls),
            probes=probes,
            longest_request=LONGEST_REQUEST,
            leaf_lifetime=LEAF_LIFETIME,
        )
        member = Member(sidecar, self.keyed(spiffe_id), folder / "access.log", folder / "admin.sock")
        self.members[name] = member
        return member

    def id_of(self, name: str) -> SpiffeId:
        return default_id(ACME, ServiceName("shop", name))

    def _callee(self, name: str) -> Callee:
        callee = self.members[name].sidecar
        endpoints = (Endpoint(LOOPBACK, callee.ports.mesh),)
        return Callee(callee.service, callee.spiffe_id, free_port(), endpoints, callee.longest_request)

    async def start_ads(self) -> None:
        self._ads = grpc.aio.server(options=SERVER_OPTIONS)
        ports = XdsPorts(self.peers, self.desired, self.uptake)
        self._ads.add_generic_rpc_handlers(services(ports, XdsMessages(self.descriptors)))
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
            assert member.envoy is not None
            await member.envoy.ready()
            await self.settled(member)

    async def start_envoy(self, member: Member) -> Envoy:
        config = bootstrap(member.sidecar.service, Sockets(self.ads_socket, member.admin))
        self.descriptors.parse(config, BOOTSTRAP)
        settings = EnvoySettings(self.binary, member.admin.parent, member.admin, DRAIN)
        member.envoy = await self._stack.enter_async_context(running(settings, config))
        return member.envoy

    def publish(self, member: Member, **changes: object) -> None:
        """Recompute what the member should hold, after `changes` to its sidecar."""
        member.sidecar = replace(member.sidecar, **changes)  # type: ignore[arg-type] # fields checked by replace
        here = Surroundings(LOOPBACK, LOOPBACK, str(member.log))
        offer = snapshot(member.sidecar, member.svid, self.bundles, here)
        self.desired.publish(member.node, published(offer, self.at))

    async def settled(self, member: Member) -> None:
        """Return when the member's sidecar acknowledged everything it should hold."""
        desired = {
            f"{one.kind.name.lower()}/{one.name}": one.known_as for one in self.desired.sidecars[member.node].offer
        }

        def all_held() -> bool:
            held = self.uptake.held
            return all(
                (found := held.get((member.node, thing))) is not None and found.held == version and not found.refusal
                for thing, version in desired.items()
            )

        await self.uptake.until(all_held)

    async def call(self, caller: str, callee: str, method: str = "GET", path: str = "/") -> httpx.Response:
        """As the service `caller` would: in the clear, through its own sidecar."""
        async with httpx.AsyncClient(timeout=20) as client:
            return await client.request(method, self.url(caller, callee, path))

    def url(self, caller: str, callee: str, path: str = "/") -> str:
        found = next(one for one in self.members[caller].sidecar.callees if one.service.name == callee)
        return f"http://{LOOPBACK}:{found.listen}{path}"

    def client_tls(self, keyed: KeyedSvid | None) -> ssl.SSLContext:
        """A client that does not care who answers: these tests are about what the server accepts."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if keyed is not None:
            with tempfile.NamedTemporaryFile(dir=self.folder) as pem:
                pem.write(keyed.svid.pem() + keyed.key_pem())
                pem.flush()
                context.load_cert_chain(pem.name)
        return context

    async def dial(self, callee: str, request: bytes, tls: ssl.SSLContext | None) -> Reply:
        """Send these very bytes to the callee's mesh port."""
        return await dial(self.members[callee].sidecar.ports.mesh, request, tls)

    async def logged(self, name: str, wanted: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        """The first line of the member's access log that is wanted, once Envoy has written it."""
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while True:
                for line in log_lines(self.members[name].log):
                    if wanted(line):
                        return line
                await asyncio.sleep(0.2)


async def dial(port: int, request: bytes, tls: ssl.SSLContext | None) -> Reply:
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=tls)
            try:
                writer.write(request)
                return await _read_reply(reader)
            finally:
                writer.transport.abort()
    except (OSError, asyncio.IncompleteReadError) as error:
        raise RefusedConnection(f"{type(error).__name__}: {error}") from error


def log_lines(path: Path) -> list[dict[str, object]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


@contextlib.asynccontextmanager
async def load(bench: EnvoyBench, caller: str, callee: str, path: str) -> AsyncIterator[list[int]]:
    """Requests one after another from four workers, while the body runs. Yields the statuses, growing."""
    statuses: list[int] = []
    stop = asyncio.Event()

    async def work() -> None:
        async with httpx.AsyncClient(timeout=20) as client:
            while not stop.is_set():
                statuses.append((await client.get(bench.url(caller, callee, path))).status_code)

    async with asyncio.TaskGroup() as workers:
        for _ in range(4):
            workers.create_task(work())
        try:
            yield statuses
        finally:
            stop.set()


async def more(statuses: list[int], count: int) -> None:
    """Return when that many further requests were answered."""
    goal = len(statuses) + count
    await until(lambda: len(statuses) >= goal)


async def until(found: Callable[[], bool]) -> None:
    """Return when that is so; nothing announces it, so it is looked at again and again."""
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while True:
            if found():
                return
            await asyncio.sleep(0.01)


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


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
    return Reply(int(head[0].split(" ")[1]), headers, await reader.readexactly(int(headers.get("content-length", "0"))))
