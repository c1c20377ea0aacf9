"""Of a site's certificates, those of the CAs named enrol the node in their common name, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.kit.ca import NO_NAME, TestCa, name, p256, p384, rsa2048
from trustplane.fault import Refused
from trustplane.host.node_certificates import MAX_CERTIFICATE_BYTES, MAX_CHAIN, NodeCertificateCas
from trustplane.spiffe.names import NodeName

AT = datetime(2030, 1, 1, tzinfo=UTC)
SITE = TestCa.root("site.example")
ISSUING = SITE.intermediate()
CAS = NodeCertificateCas([SITE.certificate])
TWO_NAMES = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, one) for one in ("node-a", "node-b")])


def der(*certificates: x509.Certificate) -> tuple[bytes, ...]:
    return tuple(one.public_bytes(Encoding.DER) for one in certificates)


def code_of(cas: NodeCertificateCas, chain: Sequence[bytes], at: datetime = AT) -> str:
    with pytest.raises(Refused) as caught:
        cas.node_of_chain(chain, at)
    return caught.value.code


@pytest.mark.parametrize("ca", [SITE, ISSUING], ids=["root", "intermediate"])
def test_a_certificate_of_that_ca_stands_for_the_node_it_names(ca: TestCa) -> None:
    for key in (p256(), p384(), rsa2048()):
        chain, _ = ca.leaf_chain("/x", subject=name("node-a"), key=key)
        assert CAS.node_of_chain(der(*chain), AT) == (NodeName("node-a"), chain[0])


def test_a_certificate_that_only_names_itself_a_server_will_do() -> None:
    server = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    leaf, _ = SITE.leaf("/x", subject=name("node-a"), extended_key_usage=server)
    assert CAS.node_of_chain(der(leaf), AT)[0] == NodeName("node-a")


def test_a_site_ca_does_not_need_a_subject_alternative_name_in_its_leaves() -> None:
    leaf, _ = SITE.leaf("/x", subject=name("node-a"), uris=())
    assert CAS.node_of_chain(der(leaf), AT)[0] == NodeName("node-a")


@pytest.mark.parametrize(
    "chain",
    [
        (),
        (b"",),
        (b"\x30\x00",),
        (bytes(MAX_CERTIFICATE_BYTES + 1),),
        der(SITE.leaf("/x", subject=name("node-a"))[0]) * (MAX_CHAIN + 1),
        der(TestCa.root("site.example").leaf("/x", subject=name("node-a"))[0]),
        der(ISSUING.leaf("/x", subject=name("node-a"))[0]),
        der(SITE.leaf("/x", subject=NO_NAME)[0]),
        der(SITE.leaf("/x", subject=TWO_NAMES)[0]),
        der(SITE.leaf("/x", subject=name("node-a"), not_after=datetime(2029, 1, 1, tzinfo=UTC))[0]),
        der(SITE.leaf("/x", subject=name("node-a"), not_before=datetime(2031, 1, 1, tzinfo=UTC))[0]),
        der(SITE.leaf("/x", subject=name("node-a"), key=ed25519.Ed25519PrivateKey.generate())[0]),
    ],
    ids=[
        "nothing", "empty", "no-certificate", "huge", "long", "other-ca", "no-intermediate", "no-name", "two-names",
        "expired", "not-yet", "ed25519",
    ],
)  # fmt: skip
def test_everything_else_is_refused(chain: Sequence[bytes]) -> None:
    assert code_of(CAS, chain) == "node-certificate-refused"


def test_a_common_name_that_names_no_node_is_refused() -> None:
    assert code_of(CAS, der(SITE.leaf("/x", subject=name("Node A"))[0])) == "bad-name"


def test_a_leaf_vouches_for_nobody() -> None:
    leaf, key = SITE.leaf("/x", subject=name("node-a"))
    below = TestCa(SITE.trust_domain, leaf, key, (leaf,))
    chain, _ = below.leaf_chain("/y", subject=name("node-b"))
    assert code_of(CAS, der(*chain)) == "node-certificate-refused"


def test_a_server_that_named_no_ca_accepts_none() -> None:
    leaf, _ = SITE.leaf("/x", subject=name("node-a"))
    assert code_of(NodeCertificateCas.from_file(None), der(leaf)) == "node-certificate-refused"


def test_the_cas_are_read_from_a_file_of_certificates(tmp_path: Path) -> None:
    file = tmp_path / "cas.pem"
    others = [TestCa.root("other.example").certificate, SITE.certificate]
    file.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in others))
    leaf, _ = SITE.leaf("/x", subject=name("node-a"))
    assert NodeCertificateCas.from_file(file).node_of_chain(der(leaf), AT)[0] == NodeName("node-a")


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"])
def test_a_file_without_them_is_refused_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "cas.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Refused) as caught:
        NodeCertificateCas.from_file(file)
    assert caught.value.code == "node-ca-unreadable"
