"""One real sidecar that enforces a policy, and connections to it that send these very bytes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.kit.ca import Overrides, TestCa
from tests.kit.envoy_bench import EnvoyBench
from tests.kit.policies import PAYMENTS, policy_book
from tests.kit.tmp_folder import short_folder
from trustplane.main.envoy_bench import LOOPBACK, PATIENCE, Member
from trustplane.policy import document
from trustplane.policy.book import Book
from trustplane.policy.rules import probes_of
from trustplane.spiffe.ids import SpiffeId
from trustplane.xds.rbac_proof import proved

DOMAIN = {"trustdomain.yaml": "trust_domain: acme.example"}  # the bench's
ENDED = 0  # a status: the connection ended without an answer


def acme_book(cedar: str = "", yaml: str = "") -> Book:
    return policy_book(cedar, yaml, **DOMAIN)


def document_of(book: Book) -> bytes:
    service = book.state.services[PAYMENTS]
    return document.encode(proved(book.rules_of(PAYMENTS), probes_of(book.state, service)))


@contextlib.asynccontextmanager
async def enforcing(folder: Path, book: Book, binary: Path | None = None) -> AsyncIterator[tuple[EnvoyBench, Member]]:
    async with EnvoyBench(folder, binary) as bench:
        member = bench.add("payments")
        member.sidecar = replace(member.sidecar, policy=document_of(book), probes=book.state.services[PAYMENTS].probes)
        await bench.start()
        yield bench, member


@dataclass(frozen=True)
class Standing:
    """A sidecar that the tests of a module share. Each leaves it enforcing `book`, as it found it."""

    book: Book
    bench: EnvoyBench
    member: Member
    _runner: asyncio.Runner
    _tls: dict[str, ssl.SSLContext] = field(default_factory=dict, repr=False)

    @property
    def port(self) -> int:
        return self.member.sidecar.ports.mesh

    def run(self, scenario: Coroutine[Any, Any, None]) -> None:
        self._runner.run(scenario)

    def line(self, caller: SpiffeId | str) -> Line:
        return Line(self.port, self.tls(caller))

    def tls(self, caller: SpiffeId | str) -> ssl.SSLContext:
        name = str(caller)
        if name not in self._tls:
            self._tls[name] = tls_as(self.bench, name, uris=[name])
        return self._tls[name]

    async def push(self, book: Book) -> None:
        self.bench.publish(self.member, policy=document_of(book))
        await self.bench.settled(self.member)


@contextlib.contextmanager
def standing(book: Book) -> Iterator[Standing]:
    with short_folder() as folder, asyncio.Runner() as runner, contextlib.ExitStack() as after:
        whole = contextlib.AsyncExitStack()
        after.callback(lambda: runner.run(whole.aclose()))
        bench, member = runner.run(whole.enter_async_context(enforcing(folder, book)))
        yield Standing(book, bench, member, runner)


def tls_as(
    bench: EnvoyBench, spiffe_id: SpiffeId | str, ca: TestCa | None = None, **overrides: Unpack[Overrides]
) -> ssl.SSLContext:
    """A client with a certificate of the trust domain's authority, also a wrong one."""
    chain, key = (ca or bench.issuing).leaf_chain(spiffe_id, **overrides)
    context = bench.client_tls(None)
    with tempfile.NamedTemporaryFile(dir=bench.folder) as pem:
        pem.write(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
        pem.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        pem.flush()
        context.load_cert_chain(pem.name)
    return context


class Line:
    """One connection, kept while the proxy keeps it and made anew when it does not."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self._port = port
        self._tls = tls
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> int:
        """The status; `ENDED` if there is none."""
        async with asyncio.timeout(PATIENCE.total_seconds()):
            try:
                return await self._asked(request)
            except (OSError, asyncio.IncompleteReadError):
                self.close()
                return ENDED

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _asked(self, request: bytes) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection(LOOPBACK, self._port, ssl=self._tls)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next((line[16:] for line in head.split("\r\n") if line.startswith("content-length: ")), "0")
        if not request.startswith(b"HEAD"):
            await reader.readexactly(int(length))
        if "connection: close" in head or request.startswith(b"HEAD"):
            self.close()
        return int(head.split(" ")[1])


def http(method: str, target: str, headers: Sequence[tuple[str, str]] = (), host: str = "payments") -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{method} {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n{lines}\r\n".encode("latin-1")
