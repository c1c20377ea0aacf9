"""The bundle endpoint in both profiles, fetched by our own client over real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.kit.ca import TestCa
from tests.kit.clock import VirtualClock
from tests.kit.server_door import ACME, MemoryDoor
from tests.kit.sidecars import keyed
from trustplane.host.certificate_files import CertificateFiles
from trustplane.host.tls_context import federation_context, present
from trustplane.registry.federation import Relation
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.federation_endpoint import EndpointProfile, EndpointUrl
from trustplane.spiffe.names import NodeName, server_id
from trustplane.spiffe.patterns import IdPattern
from trustplane.wire.bundle_endpoint import BundleEndpoints
from trustplane.wire.http_federation import endpoint_application
from trustplane.wire.http_serve import HttpServer, tcp_listener

pytestmark = pytest.mark.network

ROOT = TestCa.root(ACME)
SERVER = server_id(ACME, NodeName("server-1"))
BUNDLE = Bundle(ACME, (ROOT.certificate,))
EVERYONE = (IdPattern(ACME, (), below=True),)


@contextlib.contextmanager
def endpoint(context: ssl.SSLContext) -> Iterator[int]:
    listener = tcp_listener("127.0.0.1", 0)
    server = HttpServer(endpoint_application(MemoryDoor(trust_bundle=BUNDLE)), listener, context)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def spiffe_context() -> ssl.SSLContext:
    context = federation_context()
    present(context, keyed(ROOT.intermediate(), SERVER))
    return context


def read(document: bytes) -> Bundle:
    return bundle_document.decode(document, ACME)


def test_fe_5_https_spiffe_is_fetched_by_who_pins_the_servers_id() -> None:
    with endpoint(spiffe_context()) as port:
        url = EndpointUrl(f"https://127.0.0.1:{port}/bundle")
        relation = Relation(ACME, url, EndpointProfile.HTTPS_SPIFFE, EVERYONE, SERVER)
        fetched = read(asyncio.run(BundleEndpoints().fetch(relation, BUNDLE)))
    assert fetched.x509_authorities == BUNDLE.x509_authorities
    assert fetched.sequence == 1


def test_fe_5_https_web_is_fetched_by_its_host_name(tmp_path: Path) -> None:
    web = TestCa.root("web.invalid", uris=())
    leaf, key = web.leaf("/x", uris=(), dns=("localhost",))
    (tmp_path / "web.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    (tmp_path / "web.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "ca.pem").write_bytes(web.certificate.public_bytes(Encoding.PEM))
    files = CertificateFiles(tmp_path / "web.pem", tmp_path / "web.key", VirtualClock())
    with endpoint(files.context) as port:
        url = EndpointUrl(f"https://localhost:{port}/bundle")
        relation = Relation(ACME, url, EndpointProfile.HTTPS_WEB, EVERYONE)
        fetched = asyncio.run(BundleEndpoints(tmp_path / "ca.pem").fetch(relation, None))
    assert read(fetched).x509_authorities == BUNDLE.x509_authorities


def test_fe_9_anyone_may_get_one_document_and_nothing_else() -> None:
    with endpoint(spiffe_context()) as port, httpx.Client(verify=False) as client:  # noqa: S501 - the answer is what is tried
        base = f"https://127.0.0.1:{port}"
        answer = client.get(f"{base}/bundle")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert set(answer.json()) == {"keys", "spiffe_sequence", "spiffe_refresh_hint"}  # BU-5
        for method in ("POST", "PUT", "DELETE"):
            assert client.request(method, f"{base}/bundle").status_code == 405
        for path in ("/", "/v1/status", "/metrics", "/bundle/"):
            assert client.get(base + path).status_code == 404
        assert json.loads(answer.content)["spiffe_refresh_hint"] == 300  # BU-3
