"""The server's HTTPS door: listed readers read, nobody else does, nothing can be changed, and TLS is 1.3."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.kit.mesh import HTTPS_PORT, Mesh
from tests.kit.mesh_peers import openssl
from tests.kit.mesh_repository import DOMAIN, Member, Repository
from trustplane.spiffe import bundle_document
from trustplane.spiffe.ids import TrustDomain
from trustplane.wire.http_readers import AUDIENCE
from trustplane.wire.workload_client import WorkloadClient

READER = Member("reader", 0, Path(os.path.realpath(sys.executable)))
LISTED = Repository((READER,), readers=(READER.spiffe_id,))


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with TemporaryDirectory(prefix="tp-", dir="/tmp") as folder, Mesh(Path(folder)) as one:
        one.start_server("--listen-https", f"{one.address}:{HTTPS_PORT}")
        one.apply(LISTED)
        one.join()
        yield one


def token(mesh: Mesh, audience: str) -> str:
    async def fetch() -> str:
        async with WorkloadClient(f"unix://{mesh.node.workload}") as client:
            return (await client.fetch_jwt([audience]))[0].token

    return asyncio.run(fetch())


def ask(mesh: Mesh, method: str, path: str, bearer: str | None = None) -> httpx.Response:
    trust = ssl.create_default_context()
    trust.check_hostname = False  # the name is in the URI SAN; here only the chain matters
    bundle = bundle_document.decode(mesh.bundle().read_bytes(), TrustDomain(DOMAIN))
    trust.load_verify_locations(cadata=bundle.x509_pem().decode())
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    with httpx.Client(verify=trust, trust_env=False, timeout=20) as client:
        return client.request(method, f"https://{mesh.server.https_door}{path}", headers=headers)


def test_a_listed_reader_reads_the_status(mesh: Mesh) -> None:
    answer = ask(mesh, "GET", "/v1/status", token(mesh, AUDIENCE))
    assert answer.status_code == 200
    assert answer.json()["trust_domain"] == DOMAIN
    assert answer.json()["can_issue"] is True


def test_without_a_token_nobody_reads(mesh: Mesh) -> None:
    assert ask(mesh, "GET", "/v1/status").status_code == 401


def test_a_token_for_somebody_else_opens_nothing(mesh: Mesh) -> None:
    assert ask(mesh, "GET", "/v1/status", token(mesh, "another-api")).status_code == 401


def test_a_token_that_was_tampered_with_opens_nothing(mesh: Mesh) -> None:
    good = token(mesh, AUDIENCE)
    head, payload, signature = good.split(".")
    bad = f"{head}.{payload}.{'A' * len(signature)}"
    assert ask(mesh, "GET", "/v1/status", bad).status_code == 401


def test_a_reader_changes_nothing(mesh: Mesh) -> None:
    for path in ("/v1/revisions", "/v1/join-tokens", f"/v1/agents/{mesh.node.name}/ban"):
        assert ask(mesh, "POST", path, token(mesh, AUDIENCE)).status_code in {404, 405}


def test_who_is_no_longer_listed_no_longer_reads(mesh: Mesh) -> None:
    bearer = token(mesh, AUDIENCE)
    mesh.apply(Repository((READER,)))
    assert ask(mesh, "GET", "/v1/status", bearer).status_code == 403
    mesh.apply(LISTED)
    assert ask(mesh, "GET", "/v1/status", bearer).status_code == 200


def test_health_and_the_federation_bundle_are_for_everyone(mesh: Mesh) -> None:
    assert ask(mesh, "GET", "/healthz").json()["ok"] is True
    assert bundle_document.decode(ask(mesh, "GET", "/bundle").content, TrustDomain(DOMAIN)).x509_authorities


@pytest.mark.parametrize("door", ["https_door", "node_door", "enrolment_door"])
def test_every_door_speaks_tls_1_3_and_nothing_older(mesh: Mesh, door: str) -> None:
    address = getattr(mesh.server, door)
    older = openssl("s_client", "-connect", address, "-tls1_2")
    assert older.returncode != 0
    assert "Cipher is (NONE)" in older.stdout
    assert "TLSv1.3" in openssl("s_client", "-connect", address, "-tls1_3").stdout
