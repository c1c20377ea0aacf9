"""Who is accepted and who is refused, on real proxies that a real agent configured."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography.x509.verification import PolicyBuilder, Store

from tests.kit.ca import TestCa
from tests.kit.mesh import Mesh, access_log, until
from tests.kit.mesh_peers import REFUSED, answer, client_context, forged, impostor, openssl, shown_by
from tests.kit.mesh_repository import DOMAIN, Member, Repository
from tests.kit.mesh_traffic import call, status
from trustplane.spiffe import bundle_document
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.x509_svid import X509Svid

KEYS = {"web": "standard", "pay": "modern", "ledger": "old", "clerk": "standard", "till": "old"}
CALLS = {"web": ["pay", "ledger"], "pay": ["ledger", "till"], "ledger": ["web"], "till": ["pay"]}
pytestmark = pytest.mark.xdist_group("who-gets-in")
# Each kind of key as caller and as callee of each kind.
EDGES = [(caller, callee) for caller, callees in CALLS.items() for callee in callees]


@dataclass(frozen=True)
class Site:
    mesh: Mesh
    repository: Repository
    chain: Path  # of this process's own identity: shop/tester, which nobody declares as a caller
    key: Path


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with TemporaryDirectory(prefix="tp-", dir="/tmp") as folder, Mesh(Path(folder)) as mesh:
        members = [_with_profile(one) for one in mesh.members(*KEYS, **CALLS)]
        tester = Member("tester", len(members), Path(os.path.realpath(sys.executable)))
        repository = Repository((*members, tester), profiles={"modern": "p384", "old": "rsa2048"})
        mesh.start_server()
        mesh.apply(repository)
        mesh.join()
        mesh.start_sidecars(*members)
        written = mesh.folder / "own"
        written.mkdir()
        mesh.ask("svid", "fetch", "--write", str(written), "--socket", f"unix://{mesh.node.workload}")
        yield Site(mesh, repository, written / "svid.pem", written / "key.pem")


def _with_profile(member: Member) -> Member:
    return Member(member.name, member.number, member.executable, member.calls, profile=KEYS[member.name])


def _every_svid(site: Site) -> dict[str, X509Svid]:
    mesh = site.mesh
    shown = {name: shown_by(f"{mesh.address}:{site.repository[name].mesh}") for name in KEYS}
    identity = json.loads((mesh.node.data / "node-identity.json").read_text())
    return {
        **shown,
        "server": shown_by(mesh.server.node_door),
        "server, to nodes that enrol": shown_by(mesh.server.enrolment_door),
        "node": X509Svid.from_der([base64.b64decode(one) for one in identity["chain"]]),
    }


def test_openssl_and_the_library_accept_every_svid(site: Site) -> None:
    bundle = bundle_document.decode(site.mesh.bundle().read_bytes(), TrustDomain(DOMAIN))
    roots = site.mesh.folder / "roots.pem"
    roots.write_bytes(bundle.x509_pem())
    svids = _every_svid(site)
    assert len({svid.serial for svid in svids.values()}) == len(svids) - 1  # both doors show one identity
    for who, svid in svids.items():
        leaf, others = site.mesh.folder / "leaf.pem", site.mesh.folder / "others.pem"
        first, _, rest = svid.pem().partition(b"-----END CERTIFICATE-----\n")
        leaf.write_bytes(first + b"-----END CERTIFICATE-----\n")
        others.write_bytes(rest)
        for purpose in ("sslclient", "sslserver"):
            words = ("-x509_strict", "-purpose", purpose, "-CAfile", str(roots), "-untrusted", str(others))
            ran = openssl("verify", *words, str(leaf))
            assert ran.returncode == 0, f"{who}: {ran.stdout}{ran.stderr}"
        verifier = (
            PolicyBuilder()
            .store(Store(list(bundle.x509_authorities)))
            .time(datetime.now(UTC).replace(tzinfo=None))  # noqa: TID251 - the certificates are real
            .build_client_verifier()
        )
        assert verifier.verify(svid.leaf, list(svid.chain[1:])).subjects, who


@pytest.mark.parametrize(("caller", "callee"), EDGES)
def test_envoy_accepts_each_kind_of_svid_from_each_side(site: Site, caller: str, callee: str) -> None:
    port = site.repository[caller].listen(callee)
    until(lambda: status(site.mesh.address, port) == 200, f"{caller} reaches {callee}")
    assert call(site.mesh.address, port) == (200, callee)


def test_a_service_that_is_not_declared_as_a_caller_gets_403(site: Site) -> None:
    pay = site.repository["pay"]
    assert answer(client_context(site.chain, site.key), site.mesh.address, pay.mesh) == "403"
    tester = site.repository["tester"].spiffe_id
    sidecar = site.mesh.node.sidecars["pay"]
    until(
        lambda: any(line.get("peer_id") == tester and line.get("status") == 403 for line in access_log(sidecar)),
        "the proxy's log says who was refused",
    )


def test_whoever_was_refused_is_told_of_with_the_rule_that_comes_nearest(site: Site) -> None:
    """Counted by the callee's proxy, on the way over its agent."""
    pay, tester = site.repository["pay"], site.repository["tester"].spiffe_id
    assert answer(client_context(site.chain, site.key), site.mesh.address, pay.mesh) == "403"
    words = ("policy", "traffic", pay.service, "--denied", "--server-socket", str(site.mesh.server.admin))

    def told() -> list[dict[str, object]]:
        found = site.mesh.ask(*words)["decisions"]
        assert isinstance(found, list)
        return [one for one in found if one["caller"] == tester]

    until(told, "the server knows who was refused")
    assert {one["rule"] for one in told()} == {None}
    assert "not shop/tester" in str(told()[0]["nearest"])


def test_a_client_without_a_certificate_is_refused(site: Site) -> None:
    assert answer(client_context(), site.mesh.address, site.repository["pay"].mesh) == REFUSED


def test_a_client_of_another_trust_domain_is_refused(site: Site) -> None:
    chain, key = forged(TestCa.root("other.example").intermediate(), "/ns/shop/sa/web", site.mesh.folder)
    assert answer(client_context(chain, key), site.mesh.address, site.repository["pay"].mesh) == REFUSED


def test_a_client_with_our_name_from_an_authority_of_its_own_is_refused(site: Site) -> None:
    chain, key = forged(TestCa.root(DOMAIN).intermediate(), "/ns/shop/sa/web", site.mesh.folder)
    assert answer(client_context(chain, key), site.mesh.address, site.repository["pay"].mesh) == REFUSED


def test_a_client_in_the_clear_is_refused(site: Site) -> None:
    assert answer(None, site.mesh.address, site.repository["pay"].mesh) == REFUSED


def test_tls_1_2_is_refused_by_the_proxies(site: Site) -> None:
    door = f"{site.mesh.address}:{site.repository['pay'].mesh}"
    words = ("s_client", "-connect", door, "-cert", str(site.chain), "-key", str(site.key))
    assert "no protocols available" not in (older := openssl(*words, "-tls1_2")).stderr
    assert older.returncode != 0
    assert "Cipher is (NONE)" in older.stdout
    assert "TLSv1.3" in openssl(*words, "-tls1_3").stdout


def test_a_callee_with_another_service_s_id_gets_no_request(site: Site) -> None:
    """The impostor's SVID is genuine, of this very trust domain: only the ID is another."""
    mesh, pay = site.mesh, site.repository["pay"]
    port = site.repository["till"].listen("pay")
    until(lambda: status(mesh.address, port) == 200, "till reaches pay")
    mesh.node.sidecars["pay"].kill()
    until(lambda: status(mesh.address, port) == 503, "pay is gone")
    with impostor(mesh.address, pay.mesh, site.chain, site.key) as other:
        until(lambda: status(mesh.address, port) == 503 and other.connections, "till tries the impostor")
        assert other.requests == 0
    mesh.node.sidecars["pay"].start()
    until(lambda: status(mesh.address, port) == 200, "the real one is reached again")
