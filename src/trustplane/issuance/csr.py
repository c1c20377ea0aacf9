"""A certificate signing request: a public key and the proof that the asker holds its private half.

Nothing else in a request is read: subject, extensions and attributes are the asker's wishes, and the registry decides.
A key is taken only in the one encoding per kind that every verifier reads (uncompressed points, named curves,
RSA with exponent 65537), and its size is checked before any arithmetic is done with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from trustplane.fault import Refused
from trustplane.registry.model import KeyKind
from trustplane.spiffe.certificates import PARSE_ERRORS

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
            body = request.tbs_certrequest_bytes
            spki = asn1.encode_der(asn1.decode_der(_RequestBody, body).key)
            key = load_der_public_key(spki)
            kind = _kind_of(key, spki)
            _check_possession(request, body, key)
        except PARSE_ERRORS as error:
            raise _refuse(f"it cannot be read as PKCS#10: {str(error)[:200]}") from error
        except InvalidSignature as error:
            raise _refuse("its signature does not prove possession of its key") from error
        object.__setattr__(self, "spki", spki)
        object.__setattr__(self, "key", kind)

    @classmethod
    def parse(cls, der: bytes) -> Csr:
        return cls(der)


def _kind_of(key: object, spki: bytes) -> KeyKind:
    # Whether a point lies on its curve is settled already: OpenSSL loads no other.
    match key:
        case ec.EllipticCurvePublicKey() if spki.startswith(_P256) and len(spki) == len(_P256) + 64:
            return KeyKind.P256
        case ec.EllipticCurvePublicKey() if spki.startswith(_P384) and len(spki) == len(_P384) + 96:
            return KeyKind.P384
        case ec.EllipticCurvePublicKey():
            raise _refuse(f"its key is on {key.curve.name}, or not written as a named curve and a full point")
        case rsa.RSAPublicKey() if key.key_size in RSA_BITS and key.public_numbers().e == RSA_EXPONENT:
            if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
                raise _refuse("its RSA key is not written in the one DER form")
            return KeyKind.RSA2048
        case rsa.RSAPublicKey():
            raise _refuse(f"its RSA key has {key.key_size} bits, or an exponent other than {RSA_EXPONENT}")
        case _:
            raise _refuse(f"its key is {type(key).__name__}")


def _check_possession(request: x509.CertificateSigningRequest, body: bytes, key: object) -> None:
    """`request.is_signature_valid` with the key that is loaded already: parsing it again costs a tenth of it all."""
    algorithm = request.signature_hash_algorithm
    if not isinstance(algorithm, _STRONG):
        raise _refuse("it is not signed with SHA-256, SHA-384 or SHA-512")
    match key:
        case ec.EllipticCurvePublicKey():
            key.verify(request.signature, body, ec.ECDSA(algorithm))
        case _:
            if not request.is_signature_valid:
                raise InvalidSignature


def _refuse(why: str) -> Refused:
    return Refused(
        code="bad-csr",
        what="the certificate signing request is not usable",
        why=why,
        fix=f"make a P-256, P-384 or RSA ({RSA_BITS[0]} to {RSA_BITS[-1]} bits) key and sign the request with it",
    )
