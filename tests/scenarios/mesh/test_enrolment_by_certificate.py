"""A machine that has a certificate already enrols by proving that it holds its key."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.kit.ca import TestCa, name, p256
from tests.kit.mesh import Mesh, ends_saying
from tests.kit.mesh_repository import Repository


@pytest.fixture
def site_ca(mesh: Mesh) -> TestCa:
    """The site's own CA, which the server is told of."""
    ca = TestCa.root("site.example")
    path = mesh.folder / "site-ca.pem"
    path.write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    mesh.start_server("--node-certificates-ca", str(path))
    mesh.apply(Repository(mesh.members("web", "pay", web=["pay"])))
    return ca


def evidence(ca: TestCa, node: str, folder: Path, *, own_key: bool = True) -> tuple[str, ...]:
    certificate, key = ca.leaf("/machine", subject=name(node))
    shown = key if own_key else p256()
    (folder / "node.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "node.key").write_bytes(shown.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return "--node-certificate-file", str(folder / "node.pem"), "--node-key-file", str(folder / "node.key")


def test_a_certificate_of_the_site_enrols_the_node_it_names(mesh: Mesh, site_ca: TestCa) -> None:
    mesh.start(mesh.agent("node-a", *evidence(site_ca, "node-a", mesh.folder)))
    enrolled = mesh.server.status().agents
    assert [one.node for one in enrolled] == ["node-a"]
    assert enrolled[0].evidence.startswith("x509pop:")


def test_a_certificate_of_another_ca_does_not(mesh: Mesh, site_ca: TestCa) -> None:
    del site_ca
    node = mesh.agent("node-a", *evidence(TestCa.root("site.example"), "node-a", mesh.folder))
    ends_saying(node, "error[node-certificate-refused]")
    assert not mesh.server.status().agents


def test_a_certificate_without_its_key_does_not(mesh: Mesh, site_ca: TestCa) -> None:
    node = mesh.agent("node-a", *evidence(site_ca, "node-a", mesh.folder, own_key=False))
    ends_saying(node, "error[possession-not-proved]")
    assert not mesh.server.status().agents
