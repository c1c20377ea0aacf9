"""The to-be-signed part of a certificate, and a certificate around it (RFC 5280 §4.1).

Declared, not spliced: the library's declarative ASN.1 writes the DER (decisions/0020), and a property test holds it
byte-equal to what `CertificateBuilder` would sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1

from trustplane.fault import Broken

MAX_SERIAL = 1 << 159  # RFC 5280 §4.1.2.2: 20 octets, positive
_UTC_TIME_ENDS = datetime(2050, 1, 1, tzinfo=UTC)  # RFC 5280 §4.1.2.5
_VERSION_3 = 2

ECDSA_SHA256 = asn1.decode_der(asn1.TLV, bytes.fromhex("300a06082a8648ce3d040302"))  # RFC 5758 §3.2
EMPTY_NAME = asn1.decode_der(asn1.TLV, bytes.fromhex("3000"))


@asn1.sequence
class Extension:
    oid: x509.ObjectIdentifier
    critical: Annotated[bool, asn1.Default(value=False)]
    value: bytes


@asn1.sequence
class Validity:
    not_before: asn1.UTCTime | asn1.GeneralizedTime
    not_after: asn1.UTCTime | asn1.GeneralizedTime


@asn1.sequence
class _TbsCertificate:
    """RFC 5280 §4.1.2, without the unique identifiers that nobody uses."""

    version: Annotated[int, asn1.Explicit(0)]
    serial: int
    algorithm: asn1.TLV
    issuer: asn1.TLV
    validity: Validity
    subject: asn1.TLV
    key: asn1.TLV
    extensions: Annotated[list[Extension], asn1.Explicit(3)]


@asn1.sequence
class _Certificate:
    body: asn1.TLV
    algorithm: asn1.TLV
    signature: asn1.BitString


@dataclass(frozen=True, slots=True)
class Body:
    """What a certificate says. Instants are whole seconds: X.509 holds no parts of them."""

    serial: int
    issuer: asn1.TLV
    not_before: datetime
    not_after: datetime
    subject: asn1.TLV
    spki: bytes = field(repr=False)
    extensions: Sequence[Extension]

    def __post_init__(self) -> None:
        if not 0 < self.serial < MAX_SERIAL:
            raise Broken(
                code="bad-serial",
                what=f"the serial number {self.serial:#x} cannot be used",
                why="serial numbers are positive and at most 20 octets (RFC 5280 §4.1.2.2)",
                fix="report this with the server's version",
            )

    def der(self) -> bytes:
        return asn1.encode_der(
            _TbsCertificate(
                version=_VERSION_3,
                serial=self.serial,
                algorithm=ECDSA_SHA256,
                issuer=self.issuer,
                validity=Validity(not_before=_time(self.not_before), not_after=_time(self.not_after)),
                subject=self.subject,
                key=asn1.decode_der(asn1.TLV, self.spki),
                extensions=list(self.extensions),
            )
        )


def extension(value: x509.ExtensionType, *, critical: bool) -> Extension:
    return Extension(oid=value.oid, critical=critical, value=value.public_bytes())


def name(value: x509.Name) -> asn1.TLV:
    return asn1.decode_der(asn1.TLV, value.public_bytes())


def assemble(body: bytes, signature: bytes) -> bytes:
    """The DER certificate made of a body and the signature over it."""
    parts = _Certificate(
        body=asn1.decode_der(asn1.TLV, body), algorithm=ECDSA_SHA256, signature=asn1.BitString(signature, 0)
    )
    return asn1.encode_der(parts)


def _time(at: datetime) -> asn1.UTCTime | asn1.GeneralizedTime:
    return asn1.UTCTime(at) if at < _UTC_TIME_ENDS else asn1.GeneralizedTime(at)
