"""What lints look at: the very bytes about to be signed, read back.

Extensions stay as bytes. A lint holds what it expects as DER written out beside its clause, not made by the code that
shaped the order, so that a fault in one does not hide in the other (decisions/0021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cryptography.hazmat import asn1

from trustplane.issuance.shape import Order
from trustplane.issuance.tbs import Validity

CRITICAL = bytes.fromhex("0101ff")


@asn1.sequence
class _Body:
    """TBSCertificate (RFC 5280 §4.1.2), its extensions unread."""

    version: Annotated[int, asn1.Explicit(0)]
    serial: int
    algorithm: asn1.TLV
    issuer: asn1.TLV
    validity: Validity
    subject: asn1.TLV
    key: asn1.TLV
    extensions: Annotated[list[asn1.TLV], asn1.Explicit(3)]


@dataclass(frozen=True, slots=True)
class Reading:
    """`extensions` holds the content of each: OID, criticality, value."""

    order: Order
    body: _Body
    extensions: tuple[bytes, ...]

    @classmethod
    def of(cls, order: Order) -> Reading:
        body = asn1.decode_der(_Body, order.peek())
        return cls(order, body, tuple([bytes(each.data) for each in body.extensions]))
