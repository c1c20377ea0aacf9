"""The server under measurement: the real command in a process of its own, on SQLite, asked through its real doors.

Everything it writes is in a temporary directory that goes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from trustplane.keys.leaf import LeafKey
from trustplane.main.demo.doors import Door
from trustplane.registry.model import DesiredState, KeyKind
from trustplane.registry.repository import read
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import server_dns_name
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid
from trustplane.wire.gen.trustplane.node.v1 import node_pb2, node_pb2_grpc
from trustplane.wire.http_shapes import AppliedShape, RepositoryRequest, TokenRequest, TokenShape

DOMAIN = TrustDomain("bench.example")
UP_WITHIN_SECONDS = 90.0
ENROLLING_AT_ONCE = 16

_OPTIONS = (("grpc.ssl_target_name_override", server_dns_name(DOMAIN)), ("grpc.max_receive_message_length", 64 << 20))


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `directory` is the benchmark's own."""

    directory: Path
    pid: int
    node_door: str
    enrolment_door: str
    admin: Door
    bundle: Bundle

    @property
    def database(self) -> Path:
        return self.directory / "server" / "trustplane.db"

    async def apply(self, files: Mapping[str, str]) -> AppliedShape:
        return await self.admin.post("/v1/revisions", AppliedShape, RepositoryRequest(files=dict(files)))

    async def token(self, node: str) -> str:
        asked = TokenRequest(node=node, ttl_seconds=300.0)
        return (await self.admin.post("/v1/join-tokens", TokenShape, asked)).token

    def channel(self, identity: KeyedSvid) -> grpc.aio.Channel:
        """A connection of its own to the node door, over mutual TLS."""
        credentials = grpc.ssl_channel_credentials(
            self.bundle.x509_pem(), private_key=identity.key_pem(), certificate_chain=identity.svid.pem()
        )
        options = [*_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
        return grpc.aio.secure_channel(self.node_door, credentials, options=options)

    async def enrol(self, nodes: Sequence[str]) -> list[KeyedSvid]:
        """An identity for each node, by its own join token."""
        gate = asyncio.Semaphore(ENROLLING_AT_ONCE)
        credentials = grpc.ssl_channel_credentials(self.bundle.x509_pem())

        async def one(stub: node_pb2_grpc.EnrolmentStub, node: str) -> KeyedSvid:
            async with gate:
                key, token = LeafKey.generate(KeyKind.P256), await self.token(node)
                asked = node_pb2.TokenEnrolment(token=token, csr=key.csr(), address="127.0.0.1")
                answer = await stub.EnrolWithToken(asked)
                return KeyedSvid(X509Svid.from_der(tuple(answer.chain)), key.pkcs8())

        async with grpc.aio.secure_channel(self.enrolment_door, credentials, options=_OPTIONS) as channel:
            stub = node_pb2_grpc.EnrolmentStub(channel)
            return await asyncio.gather(*(one(stub, node) for node in nodes))


@contextlib.asynccontextmanager
async def running_server() -> AsyncIterator[Server]:
    with server_directory() as directory:
        async with one_life(directory, *free_doors()) as server:
            yield server


@contextlib.contextmanager
def server_directory() -> Iterator[Path]:
    with TemporaryDirectory(prefix="trustplane-bench-") as temporary:
        yield Path(temporary)


def free_doors() -> tuple[str, str]:
    first, second = (f"127.0.0.1:{port}" for port in free_ports(2))
    return first, second


@contextlib.asynccontextmanager
async def one_life(directory: Path, node_door: str, enrolment_door: str, *options: str) -> AsyncIterator[Server]:
    """From a start to a stop; the next life in that directory goes on with what this one left."""
    arguments = (
        *("server", "run", "--trust-domain", DOMAIN.name, "--data-dir", str(directory / "server")),
        *("--server-socket", str(directory / "server.sock")),
        *("--listen-node", node_door, "--listen-enrolment", enrolment_door),
        *options,
    )
    with running_command(directory, "server", arguments) as process:
        admin = Door(directory / "server.sock")
        try:
            await until_healthy(admin, process, directory / "server.log")
            bundle = bundle_document.decode(await admin.raw("/bundle"), DOMAIN)
            yield Server(directory, process.pid, node_door, enrolment_door, admin, bundle)
        finally:
            await admin.close()


@contextlib.contextmanager
def running_command(directory: Path, name: str, arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The `trustplane` command, stopped at the end; what it says is kept in the directory."""
    with (directory / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            (sys.executable, "-m", "trustplane.cli", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={name: value for name, value in os.environ.items() if not name.startswith("TRUSTPLANE_")},
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def until_healthy(door: Door, process: subprocess.Popen[bytes], log: Path) -> None:
    async with asyncio.timeout(UP_WITHIN_SECONDS):
        while await door.healthy():
            if process.poll() is not None:
                raise RuntimeError(f"the process under measurement ended with {process.returncode}: {last_words(log)}")
            await asyncio.sleep(0.05)


def last_words(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]


def free_ports(count: int) -> list[int]:
    """Free when asked. They are held together, so that they differ."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def read_repository(files: Mapping[str, str]) -> DesiredState:
    return read({path: text.encode() for path, text in files.items()})


def repository(services: Mapping[str, str]) -> dict[str, str]:
    """A trust repository of these services, all in the namespace `bench`: name -> service.yaml."""
    files = {"trustdomain.yaml": f"trust_domain: {DOMAIN.name}\n", "namespaces.yaml": "bench: {owners: [bench]}\n"}
    return files | {f"services/bench/{name}/service.yaml": text for name, text in services.items()}
