"""go-spiffe's own test data (see the README beside it), each file with what it gives here."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from trustplane.fault import Refused
from trustplane.spiffe import bundle_document
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.x509_svid import KeyedSvid, X509Svid

VECTORS = Path(__file__).parents[2] / "vectors" / "spiffe" / "go_spiffe"
DOMAIN = TrustDomain("domain.test")

CHAINS: dict[str, int | str] = {
    "corrupt-cert.pem": "bad-certificate",
    "corrupt-key.pem": "bad-certificate-count",
    "good-cert-and-key.pem": 1,
    "good-key-and-cert.pem": 1,
    "good-leaf-and-intermediate.pem": 2,
    "good-leaf-only.pem": 1,
    "key-pkcs8-ecdsa.pem": "bad-certificate-count",
    "key-pkcs8-rsa.pem": "bad-certificate-count",
    "not-pem": "bad-certificate-count",
    "wrong-intermediate-no-ca.pem": "svid-signer-not-authority",
    "wrong-intermediate-no-key-cert-sign.pem": "svid-signer-key-usage",
    "wrong-leaf-ca-true.pem": "svid-leaf-is-authority",
    "wrong-leaf-cert-sign.pem": "svid-leaf-key-usage",
    "wrong-leaf-crl-sign.pem": "svid-leaf-key-usage",
    "wrong-leaf-empty-id.pem": "svid-uri-sans",
    "wrong-leaf-no-digital-signature.pem": "svid-leaf-key-usage",
}

# X.509 and JWT authorities, or the refusal. Differences from go-spiffe:
# spiffebundle_multiple_x509.json: it refuses; X509-SVID §6.2 says to take the first certificate.
# jwks_*.json: plain JWK Sets. Their keys have no `use`, so a bundle reader ignores them (Bundle §4.2.2).
BUNDLES: dict[str, tuple[int, int] | str] = {
    "jwks_missing_kid.json": (0, 0),
    "jwks_valid_1.json": (0, 0),
    "jwks_valid_2.json": (0, 0),
    "spiffebundle_missing_kid.json": "bad-bundle-document",
    "spiffebundle_multiple_x509.json": (1, 1),
    "spiffebundle_no_keys.json": "bad-bundle-document",
    "spiffebundle_valid_1.json": (1, 1),
    "spiffebundle_valid_2.json": (1, 6),
    "spiffebundle_valid_with_wit.json": (1, 2),
}


def test_every_file_is_in_a_table() -> None:
    assert {each.name for each in (VECTORS / "x509svid").iterdir()} == set(CHAINS)
    assert {each.name for each in (VECTORS / "bundles").iterdir()} == set(BUNDLES)


@pytest.mark.parametrize("name", CHAINS)
def test_chain(name: str) -> None:
    pem = (VECTORS / "x509svid" / name).read_bytes()
    match CHAINS[name]:
        case int(length):
            svid = X509Svid.from_pem(pem)
            assert (str(svid.spiffe_id), len(svid.chain)) == ("spiffe://example.org/workload-1", length)
        case code:
            with pytest.raises(Refused) as caught:
                X509Svid.from_pem(pem)
            assert caught.value.code == code


@pytest.mark.parametrize("name", BUNDLES)
def test_bundle(name: str) -> None:
    document = (VECTORS / "bundles" / name).read_bytes()
    match BUNDLES[name]:
        case (x509_count, jwt_count):
            bundle = bundle_document.decode(document, DOMAIN)
            assert (len(bundle.x509_authorities), len(bundle.jwt_authorities)) == (x509_count, jwt_count)
            assert bundle_document.decode(bundle_document.encode(bundle), DOMAIN) == bundle
        case code:
            with pytest.raises(Refused) as caught:
                bundle_document.decode(document, DOMAIN)
            assert caught.value.code == code


@pytest.mark.parametrize(
    ("chain", "key", "fits"),
    [
        ("good-leaf-only.pem", "key-pkcs8-rsa.pem", True),
        ("good-leaf-and-intermediate.pem", "key-pkcs8-ecdsa.pem", True),
        ("good-leaf-only.pem", "key-pkcs8-ecdsa.pem", False),
    ],
)
def test_key(chain: str, key: str, *, fits: bool) -> None:
    svid = X509Svid.from_pem((VECTORS / "x509svid" / chain).read_bytes())
    loaded = serialization.load_pem_private_key((VECTORS / "x509svid" / key).read_bytes(), None)
    der = loaded.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    if fits:
        assert KeyedSvid(svid, der).svid == svid
    else:
        with pytest.raises(Refused) as caught:
            KeyedSvid(svid, der)
        assert caught.value.code == "svid-key-mismatch"
