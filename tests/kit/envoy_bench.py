"""A bench of real Envoys for tests: any service may be added under a test CA, and any bytes be sent to it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Unpack

import httpx

from tests.kit.ca import Overrides, TestCa, pkcs8
from tests.kit.xds_ports import Attested, Desired
from trustplane.host.envoy import Envoy, find_envoy
from trustplane.main import envoy_bench
from trustplane.main.envoy_bench import LOOPBACK, PATIENCE, Member
from trustplane.registry.model import Operation, Probe
from trustplane.registry.view import Caller
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import ServiceName, default_id
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.wire.descriptors import Descriptors
from trustplane.wire.xds_messages import XdsMessages
from trustplane.wire.xds_stream import Peers
from trustplane.xds.bootstrap import BOOTSTRAP, Sockets, bootstrap

ACME = TrustDomain("acme.example")
# Beside the temporary folders, so that a test run reads the 100 MB binary once.
DESCRIPTOR_CACHE = Path(tempfile.gettempdir()) / "trustplane-test-descriptors"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class RefusedConnection(Exception):  # noqa: N818 - what happened, as the tests read it
    """The other side ended the connection instead of answering."""


class EnvoyBench(envoy_bench.EnvoyBench):
    def __init__(self, folder: Path, binary: Path | None = None) -> None:
        self.root = TestCa.root(ACME)
        self.issuing = self.root.intermediate()
        found = find_envoy(binary)
        self.descriptors = Descriptors.of(found, DESCRIPTOR_CACHE)
        bundles = BundleSet.of(Bundle(ACME, (self.root.certificate,)))
        now = datetime.now(UTC)  # noqa: TID251 - real Envoys verify by the real clock
        super().__init__(folder, found, XdsMessages(self.descriptors), bundles, now)
        self.desired: Desired = Desired()
        self._attested = Attested()

    @property
    def peers(self) -> Peers:
        return self._attested

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
        callers = [Caller(self.id_of(caller), operations) for caller, operations in (allows or {}).items()]
        service = ServiceName("shop", name)
        return self.place(service, self.keyed(self.id_of(name)), allows=callers, calls=calls, probes=probes)

    def id_of(self, name: str) -> SpiffeId:
        return default_id(ACME, ServiceName("shop", name))

    async def start_envoy(self, member: Member) -> Envoy:
        self.descriptors.parse(bootstrap(member.sidecar.service, Sockets(self.ads_socket, member.admin)), BOOTSTRAP)
        return await super().start_envoy(member)

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


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
    return Reply(int(head[0].split(" ")[1]), headers, await reader.readexactly(int(headers.get("content-length", "0"))))
