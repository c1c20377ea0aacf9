"""Requests: three kinds of key are taken, each in one encoding, and only with proof of possession."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AttributeOID

from tests.kit.issuing_ports import leaf_key
from trustplane.fault import Refused
from trustplane.issuance.csr import MAX_CSR_BYTES, Csr
from trustplane.registry.model import KeyKind

COMPRESSED = (
    "MIGaMEICAQAwADA5MBMGByqGSM49AgEGCCqGSM49AwEHAyIAAwy2ufdUKgnbjdqEMR/amxXSuk9cIZyAkAY2itl6CZqtoAAwCgYI"
    "KoZIzj0EAwIDSAAwRQIhALwhMMqIc9lXHp3kZlCNsFvG6O0BK6pHQ4V3rvB2W+gvAiBFwZOtYax5/SQTLgsjgn+EIsQ8Kxwb/Lnd"
    "ub/hGNuonQ=="
)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey


def request(key: Key, algorithm: hashes.SHA256 | hashes.SHA512 | None = None, subject: str = "") -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)] if subject else [])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    chosen = None if isinstance(key, ed25519.Ed25519PrivateKey) else algorithm or hashes.SHA256()
    return builder.sign(key, chosen).public_bytes(Encoding.DER)


def refusal(der: bytes) -> str:
    with pytest.raises(Refused) as refused:
        Csr.parse(der)
    assert refused.value.code == "bad-csr"
    return refused.value.finding.why


@pytest.mark.parametrize("kind", KeyKind)
def test_each_kind_of_key_is_taken_with_the_very_key_that_was_sent(kind: KeyKind) -> None:
    der = leaf_key(kind).csr()
    csr = Csr.parse(der)
    public = x509.load_der_x509_csr(der).public_key()
    assert (csr.key, csr.spki) == (kind, public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def test_subject_extensions_and_attributes_are_ignored() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"secret")
    )
    der = builder.sign(key, hashes.SHA384()).public_bytes(Encoding.DER)
    assert Csr.parse(der).key is KeyKind.P256


@pytest.mark.parametrize("kind", KeyKind)
def test_a_request_with_another_ones_key_proves_nothing(kind: KeyKind) -> None:
    der = leaf_key(kind).csr()
    spoiled = der[:-1] + bytes((der[-1] ^ 1,))
    assert "prove possession" in refusal(spoiled)


def test_a_replaced_key_is_refused() -> None:
    mine, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    own, others = (
        key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) for key in (mine, other)
    )
    assert "prove possession" in refusal(request(mine).replace(own, others))


@pytest.mark.parametrize("curve", [ec.SECP521R1(), ec.SECP256K1(), ec.SECP224R1()])
def test_other_curves_are_refused(curve: ec.EllipticCurve) -> None:
    assert curve.name in refusal(request(ec.generate_private_key(curve)))


def test_ed25519_is_refused() -> None:
    assert "Ed25519" in refusal(request(ed25519.Ed25519PrivateKey.generate()))


def test_a_point_that_is_not_on_its_curve_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert "cannot be read" in refusal(request(key).replace(point, point[:-1] + bytes((point[-1] ^ 1,))))


def test_a_compressed_point_is_refused() -> None:
    # Made with `openssl ec -conv_form compressed` and `openssl req -new`: valid, and not the one encoding we take.
    der = base64.b64decode(COMPRESSED)
    assert x509.load_der_x509_csr(der).is_signature_valid
    assert "full point" in refusal(der)


@pytest.mark.parametrize(("bits", "exponent"), [(1024, 65537), (4104, 65537), (2048, 3)])
def test_weak_slow_and_odd_rsa_keys_are_refused(bits: int, exponent: int) -> None:
    key = rsa.generate_private_key(public_exponent=exponent, key_size=bits)
    assert f"{bits} bits" in refusal(request(key))


def test_a_request_is_bounded_before_it_is_parsed() -> None:
    assert str(MAX_CSR_BYTES) in refusal(bytes(MAX_CSR_BYTES + 1))


def test_a_weak_signature_hash_is_refused() -> None:
    # The library makes none with SHA-1 any more; the identifier alone is changed, to ecdsa-with-SHA1.
    der = leaf_key().csr()
    sha256, sha1 = bytes.fromhex("300a06082a8648ce3d040302"), bytes.fromhex("300906072a8648ce3d0401")
    assert sha256 in der
    outer = der.replace(sha256, sha1)
    shorter = outer[:1] + _shortened(outer)
    assert "SHA-256, SHA-384 or SHA-512" in refusal(shorter)


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x30\x80", b"-----BEGIN CERTIFICATE REQUEST-----", bytes(100)])
def test_what_is_no_request_is_refused(der: bytes) -> None:
    assert "cannot be read" in refusal(der)


def test_a_request_of_a_version_that_does_not_exist_is_refused() -> None:
    # Found by tests/fuzz/test_fuzz_csr.py: the library's error for it is no ValueError.
    der = leaf_key().csr()
    version = der.index(bytes.fromhex("020100"))
    assert "cannot be read" in refusal(der[: version + 2] + b"\7" + der[version + 3 :])


def test_bytes_behind_the_request_are_refused() -> None:
    assert "cannot be read" in refusal(leaf_key().csr() + b"\0")


def test_a_request_is_not_printed() -> None:
    assert "spki" not in repr(Csr.parse(leaf_key().csr()))


def _shortened(der: bytes) -> bytes:
    """The rest of a SEQUENCE whose content lost one byte."""
    if der[1] == 0x81:
        return bytes((0x81, der[2] - 1)) + der[3:]
    return der[1:2] + (int.from_bytes(der[2:4], "big") - 1).to_bytes(2, "big") + der[4:]
