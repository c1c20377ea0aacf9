"""A certificate signing request: a public key and the proof that the asker holds its private half.

Nothing else in a request is read: subject, extensions and attributes are the asker's wishes, and the registry decides.
A key is taken only in the one encoding per kind that every verifier reads (uncompressed points, named curves,
RSA with exponent 65537), and its size is checked before any arithmetic is done with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from trustplane.fault import Refused
from trustplane.registry.model import KeyKind

MAX_CSR_BYTES = 8192
RSA_BITS = range(2048, 4097)
RSA_EXPONENT = 65537

# SubjectPublicKeyInfo up to the uncompressed point (RFC 5480 §2): the rest is the point and nothing but the point.
_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_P384 = bytes.fromhex("3076301006072a8648ce3d020106052b8104002203620004")
_STRONG = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@asn1.sequence
class _RequestBody:
    """CertificationRequestInfo (RFC 2986 §4.1), its parts unread."""

    version: int
    subject: asn1.TLV
    key: asn1.TLV
    attributes: Annotated[list[asn1.TLV], asn1.Implicit(0)]


@dataclass(frozen=True, slots=True)
class Csr:
    """`spki` is the DER SubjectPublicKeyInfo."""

    der: bytes = field(repr=False)
    spki: bytes = field(init=False, repr=False)
    key: KeyKind = field(init=False)

    def __post_init__(self) -> None:
        if len(self.der) > MAX_CSR_BYTES:
            raise _refuse(f"it has {len(self.der)} bytes; at most {MAX_CSR_BYTES} are read")
        try:
            request = x509.load_der_x509_csr(self.der)
            spki = _slice_key(request)
            kind = _kind_of(request, spki)
            proven = isinstance(request.signature_hash_algorithm, _STRONG) and request.is_signature_valid
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _refuse(f"it cannot be read as PKCS#10: {str(error)[:200]}") from error
        if not proven:
            raise _refuse("its signature does not prove possession of the key (SHA-256, SHA-384 or SHA-512 over it)")
        object.__setattr__(self, "spki", spki)
        object.__setattr__(self, "key", kind)

    @classmethod
    def parse(cls, der: bytes) -> Csr:
        return cls(der)


def _slice_key(request: x509.CertificateSigningRequest) -> bytes:
    # A slice, where re-encoding the public key would cost as much as all other reading of the request.
    return asn1.encode_der(asn1.decode_der(_RequestBody, request.tbs_certrequest_bytes).key)


def _kind_of(request: x509.CertificateSigningRequest, spki: bytes) -> KeyKind:
    # Whether a point lies on its curve is settled by the signature check: OpenSSL loads no other.
    if spki.startswith(_P256) and len(spki) == len(_P256) + 64:
        return KeyKind.P256
    if spki.startswith(_P384) and len(spki) == len(_P384) + 96:
        return KeyKind.P384
    key = request.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise _refuse(f"its key is {type(key).__name__}, or an EC key not written as a named curve and a full point")
    if key.key_size not in RSA_BITS or key.public_numbers().e != RSA_EXPONENT:
        raise _refuse(f"its RSA key has {key.key_size} bits or an exponent other than {RSA_EXPONENT}")
    if key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo) != spki:
        raise _refuse("its RSA key is not written in the one DER form")
    return KeyKind.RSA2048


def _refuse(why: str) -> Refused:
    return Refused(
        code="bad-csr",
        what="the certificate signing request is not usable",
        why=why,
        fix=f"make a P-256, P-384 or RSA ({RSA_BITS[0]} to {RSA_BITS[-1]} bits) key and sign the request with it",
    )
