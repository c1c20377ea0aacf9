"""What the issuer knows of certificates in failed handshakes, over HTTP: certificates are DER in base64."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from cryptography.x509 import Certificate

from trustplane.handshake.issuer import Issuer, Leaf
from trustplane.spiffe.certificates import certificates_from_der, der_of
from trustplane.wire.http_shapes import Answer


class LeafShape(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """`newer`: when its identity was issued another on the same node."""

    chain: tuple[bytes, ...]
    revoked_at: datetime | None = None
    newer: datetime | None = None


class IssuerShape(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """`leaves` by serial number, `roots` by the digest of the bundle that has them, `keys` of all authorities.
    `clocks`: by how many seconds a node's is ahead of the server's, at least."""

    domain: str = ""
    leaves: dict[str, LeafShape] = msgspec.field(default_factory=dict)
    keys: tuple[str, ...] = ()
    roots: dict[str, tuple[bytes, ...]] = msgspec.field(default_factory=dict)
    clocks: dict[str, float] = msgspec.field(default_factory=dict)


def issuer_shape(issuer: Issuer) -> IssuerShape:
    return IssuerShape(
        domain=issuer.domain,
        leaves={
            serial: LeafShape(chain=_ders(one.chain), revoked_at=one.revoked_at, newer=one.newer)
            for serial, one in sorted(issuer.leaves.items())
        },
        keys=tuple(sorted(issuer.keys)),
        roots={digest: _ders(roots) for digest, roots in sorted(issuer.roots.items())},
        clocks={node: off.total_seconds() for node, off in sorted(issuer.clocks.items())},
    )


def issuer_of(shape: IssuerShape) -> Issuer:
    return Issuer(
        domain=shape.domain,
        leaves={
            serial: Leaf(certificates_from_der(one.chain), one.revoked_at, one.newer)
            for serial, one in shape.leaves.items()
        },
        keys=frozenset(shape.keys),
        roots={digest: certificates_from_der(roots) for digest, roots in shape.roots.items()},
        clocks={node: timedelta(seconds=off) for node, off in shape.clocks.items()},
    )


def _ders(certificates: Sequence[Certificate]) -> tuple[bytes, ...]:
    return tuple(map(der_of, certificates))
