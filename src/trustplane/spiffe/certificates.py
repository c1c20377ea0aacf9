"""Certificates from bytes: DER, DER one after the other (the Workload API's form), and PEM.

Bounded before anything is parsed, and whatever the library raises on hostile bytes leaves here as `Refused`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from trustplane.fault import Refused

MAX_CERTIFICATE_BYTES = 64 * 1024
MAX_CERTIFICATES = 100

ExtensionValue = TypeVar("ExtensionValue", bound=x509.ExtensionType)

# All that the library raises for a certificate that is not one, found by fuzzing: a name's attribute of the wrong ASN.1
# type is a TypeError. The warning is about serial numbers below one; it is an error wherever warnings are, and
# `read_whole` refuses such numbers elsewhere.
PARSE_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    CryptographyDeprecationWarning,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def bad_certificate(what: str, why: str) -> Refused:
    return Refused(
        code="bad-certificate",
        what=what,
        why=why[:300],
        fix="look at it with `openssl x509 -text` or `openssl asn1parse`, and have it issued again",
    )


def certificate_from_der(der: bytes) -> x509.Certificate:
    _check_size(len(der))
    try:
        return x509.load_der_x509_certificate(der)
    except PARSE_ERRORS as error:
        raise bad_certificate(f"{len(der)} bytes are not a DER certificate", str(error)) from error


def read_whole(certificate: x509.Certificate) -> None:
    """Refuse what parses lazily and would fail later: the library reads names, key and extensions on demand."""
    _check_size(len(der_of(certificate)))
    try:
        _ = certificate.extensions, certificate.subject, certificate.issuer, certificate.public_key()
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.signature_hash_algorithm
        serial = certificate.serial_number
    except PARSE_ERRORS as error:
        raise bad_certificate("a part of the certificate cannot be read", str(error)) from error
    if serial < 1:
        raise bad_certificate(f"the certificate's serial number is {serial}", "it must be positive (RFC 5280 §4.1.2.2)")
    # The one byte that neither the signature covers nor the library looks at. Through it one certificate would have
    # many digests, and a deny by digest would be for one of them only.
    if not der_of(certificate).endswith(b"\0" + certificate.signature):
        raise bad_certificate("the signature is not a whole number of bytes", "it has unused bits (X.690 §8.6)")


def certificates_from_der(ders: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    _check_count(len(ders))
    return tuple(certificate_from_der(der) for der in ders)


def certificates_from_concatenated_der(blob: bytes) -> tuple[x509.Certificate, ...]:
    _check_size(len(blob), MAX_CERTIFICATES * MAX_CERTIFICATE_BYTES)
    return certificates_from_der(tuple(islice(_split_der(blob), MAX_CERTIFICATES + 1)))


def certificates_from_pem(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Every CERTIFICATE block; text between blocks is allowed (RFC 7468 §5.2)."""
    _check_size(len(pem), 2 * MAX_CERTIFICATES * MAX_CERTIFICATE_BYTES)
    _check_count(pem.count(b"-----BEGIN CERTIFICATE-----"))
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except PARSE_ERRORS as error:
        raise bad_certificate("the PEM text holds no certificates we can read", str(error)) from error
    return tuple(certificates)


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def pem_of(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def extension(certificate: x509.Certificate, kind: type[ExtensionValue]) -> x509.Extension[ExtensionValue] | None:
    """Of a certificate that was read whole."""
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def authority_key_id(certificate: x509.Certificate) -> str:
    """Of the key it says it was signed with, hex; empty where it does not say."""
    found = extension(certificate, x509.AuthorityKeyIdentifier)
    return found.value.key_identifier.hex() if found and found.value.key_identifier else ""


def _split_der(blob: bytes) -> Iterator[bytes]:
    """Cut at the lengths that the outer SEQUENCEs declare (X.690 §8.1.3); the rest is the parser's to check."""
    start = 0
    while start < len(blob):
        header = blob[start : start + 2]
        if len(header) < 2 or header[0] != 0x30:
            raise bad_certificate(f"byte {start} starts no certificate", "a DER certificate is a SEQUENCE (0x30)")
        octets = header[1] & 0x7F if header[1] & 0x80 else 0
        length = int.from_bytes(blob[start + 2 : start + 2 + octets]) if octets else header[1]
        end = start + 2 + octets + length
        yield blob[start:end]
        start = end


def _check_size(size: int, most: int = MAX_CERTIFICATE_BYTES) -> None:
    if size > most:
        raise Refused(
            code="certificate-too-large",
            what=f"certificates of {size} bytes were given",
            why=f"at most {most} bytes are read, so that a peer cannot make us hold more",
            fix="send a chain without unneeded certificates, and certificates without bulky extensions",
        )


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_CERTIFICATES:
        raise Refused(
            code="bad-certificate-count",
            what=f"{count} certificates were given",
            why=f"there must be at least one and at most {MAX_CERTIFICATES}",
            fix="give the certificates that belong here and no others",
        )
