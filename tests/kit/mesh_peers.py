"""What a peer of a mesh may turn up with, right or wrong, and what the other side makes of it."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.kit.ca import TestCa
from trustplane.spiffe.x509_svid import X509Svid

PATIENCE_SECONDS = 10.0
REFUSED = "refused"
_REQUEST = b"POST /charge HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def client_context(chain: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """A client that shows this certificate, and asks nothing of the other side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if chain is not None:
        context.load_cert_chain(chain, key)
    return context


def forged(ca: TestCa, spiffe_id: str, folder: Path) -> tuple[Path, Path]:
    """A certificate for that ID by an authority nobody here trusts, as files."""
    chain, key = ca.leaf_chain(spiffe_id)
    certificates, secret = folder / "forged.pem", folder / "forged.key"
    certificates.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificates, secret


def answer(context: ssl.SSLContext | None, address: str, port: int) -> str:
    """The status line's number of one request, or REFUSED when the connection does not come to that."""
    try:
        with socket.create_connection((address, port), PATIENCE_SECONDS) as plain:
            connection = context.wrap_socket(plain) if context else plain
            with connection:
                connection.sendall(_REQUEST)
                return _status(connection.recv(65536))
    except (ssl.SSLError, ConnectionError):
        return REFUSED


def _status(received: bytes) -> str:
    words = received.split(b" ", 2)
    return words[1].decode() if received.startswith(b"HTTP/1.1 ") else REFUSED


def shown_by(door: str) -> X509Svid:
    """The chain a TLS server shows, as openssl receives it."""
    said = openssl("s_client", "-connect", door, "-showcerts", "-tls1_3")
    return X509Svid.from_pem("\n".join(_CERTIFICATE.findall(said.stdout)).encode())


def openssl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *words], input="", capture_output=True, text=True, timeout=30, check=False)


class Impostor:
    """A TLS server that takes anyone in and counts who really asked it something."""

    def __init__(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        self.connections = 0
        self.requests = 0
        self._listener = listener
        self._context = context

    def serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return  # closed: the test is over
            self.connections += 1
            with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
                connection.settimeout(PATIENCE_SECONDS)
                if connection.recv(1):
                    self.requests += 1


@contextlib.contextmanager
def impostor(address: str, port: int, chain: Path, key: Path) -> Iterator[Impostor]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    listener = socket.create_server((address, port))
    found = Impostor(listener, context)
    thread = threading.Thread(target=found.serve)
    thread.start()
    try:
        yield found
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
