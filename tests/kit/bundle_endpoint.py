"""A bundle endpoint as it should be, or as a test says it behaves: on a socket of its own, with real TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.kit.ca import VALID_FROM, Overrides, TestCa
from tests.kit.partner import PARTNER, Partner
from trustplane.registry.federation import Relation
from trustplane.spiffe.federation_endpoint import EndpointProfile, EndpointUrl
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.patterns import IdPattern

US = Partner()
ISSUING = US.root.intermediate()
ENDPOINT_ID = SpiffeId(PARTNER, ("trustplane", "server", "server-1"))
WEB_CA = TestCa.root("web.invalid", uris=())
HELD = US.bundle()
DOCUMENT = US.document(7)
LONG_AGO = VALID_FROM + timedelta(days=1)
LOOPBACK = "127.0.0.1"

Behaviour = Callable[[ssl.SSLSocket], None]


def answering(status: str, body: bytes = b"", *headers: str) -> Behaviour:
    def behave(connection: ssl.SSLSocket) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode() + body)

    return behave


def saying(words: bytes) -> Behaviour:
    return lambda connection: connection.sendall(words)


SERVES = answering("200 OK", DOCUMENT, "Content-Type: application/json")


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.01)


class Endpoint:
    """A TLS server; what it was asked is in `requests`."""

    def __init__(self, folder: Path, behave: Behaviour, chain: bytes, key: bytes) -> None:
        self.behave = behave
        self.requests: list[bytes] = []
        self.client_certificates: list[object] = []
        pem = folder / f"{id(self)}.pem"
        pem.write_bytes(chain + key)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self._context.verify_mode = ssl.CERT_OPTIONAL  # it would take a certificate if it were given one
        self._context.load_verify_locations(cadata=US.bundle().x509_pem().decode())
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._open: list[threading.Thread] = []

    def url(self, path: str = "/bundle") -> EndpointUrl:
        return EndpointUrl(f"https://{LOOPBACK}:{self.port}{path}")

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            one = threading.Thread(target=self._answer, args=(plain,))
            self._open.append(one)
            one.start()

    def _answer(self, plain: socket.socket) -> None:
        plain.settimeout(20)
        with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
            asked = b""
            while b"\r\n\r\n" not in asked:
                received = connection.recv(4096)
                if not received:
                    return
                asked += received
            self.requests.append(asked)
            self.client_certificates.append(connection.getpeercert())
            self.behave(connection)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for one in self._open:
            one.join()


@contextlib.contextmanager
def endpoint(
    folder: Path, behave: Behaviour = SERVES, ca: TestCa = ISSUING, spiffe_id: SpiffeId = ENDPOINT_ID, **changes: object
) -> Iterator[Endpoint]:
    overrides: Overrides = changes  # type: ignore[assignment] # keywords of the test CA, as the test wrote them
    chain, key = ca.leaf_chain(spiffe_id, **overrides)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with Endpoint(folder, behave, b"".join(one.public_bytes(Encoding.PEM) for one in chain), secret) as one:
        yield one


def relation(url: EndpointUrl, profile: EndpointProfile = EndpointProfile.HTTPS_SPIFFE) -> Relation:
    known_as = ENDPOINT_ID if profile is EndpointProfile.HTTPS_SPIFFE else None
    return Relation(PARTNER, url, profile, (IdPattern(PARTNER, (), below=True),), known_as)
