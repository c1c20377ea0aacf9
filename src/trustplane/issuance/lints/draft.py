"""What lints look at: the certificate as it will be read, with a placeholder where the signature will stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509

from trustplane.issuance.shape import Order
from trustplane.issuance.tbs import assemble

ExtensionValue = TypeVar("ExtensionValue", bound=x509.ExtensionType)

# A well-formed ECDSA-Sig-Value (r = s = 1). No key is made or used to look at a certificate (decisions/0021).
_PLACEHOLDER = bytes.fromhex("3006020101020101")


@dataclass(frozen=True, slots=True)
class Draft:
    order: Order
    certificate: x509.Certificate
    extensions: Mapping[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]

    @classmethod
    def of(cls, order: Order) -> Draft:
        certificate = x509.load_der_x509_certificate(assemble(order.peek(), _PLACEHOLDER))
        return cls(order, certificate, {each.oid: each for each in certificate.extensions})

    def value(self, kind: type[ExtensionValue], *, critical: bool) -> ExtensionValue | None:
        """The extension of that kind, if it is there and as critical as that."""
        found = self.extensions.get(kind.oid)
        return found.value if found and found.critical is critical and isinstance(found.value, kind) else None
