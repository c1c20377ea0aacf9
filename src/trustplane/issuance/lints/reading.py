"""What lints look at: the very bytes about to be signed, read back.

Extensions stay as bytes. A lint holds what it expects as DER written out beside its clause, not made by the code that
shaped the order, so that a fault in one does not hide in the other (decisions/0021).
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat import asn1

from trustplane.issuance.shape import Order
from trustplane.issuance.tbs import TbsCertificate, read


@dataclass(frozen=True, slots=True)
class Reading:
    order: Order
    body: TbsCertificate
    extensions: dict[x509.ObjectIdentifier, tuple[bool, bytes]]

    @classmethod
    def of(cls, order: Order) -> Reading:
        body = read(order.peek())
        return cls(order, body, {each.oid: (each.critical, each.value) for each in body.extensions})


def content(value: asn1.TLV) -> bytes:
    """The content octets of a value that was left unread."""
    return bytes(value.data)
