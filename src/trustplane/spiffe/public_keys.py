"""Which public keys an SVID or a bundle may hold: NIST curves and RSA.

No Ed25519: JWT-SVID §2.1 lists no algorithm for it, and Envoy and most TLS stacks refuse it in certificates. RSA is
bounded above because verifying with a key of 100,000 bits is a way to keep us busy.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from trustplane.fault import Refused

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192


def supported(key: object, holder: str) -> PublicKey:
    """The same key, now known to be of a kind we use; `holder` names it in the refusal."""
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, CURVES):
            return key
        case rsa.RSAPublicKey() if MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            return key
        case rsa.RSAPublicKey():
            found = f"an RSA key of {key.key_size} bits"
        case ec.EllipticCurvePublicKey():
            found = f"an elliptic-curve key on {key.curve.name}"
        case _:
            found = f"a key of kind {type(key).__name__.removesuffix('PublicKey')}"
    raise Refused(
        code="unsupported-key",
        what=f"{holder} has {found}",
        why=f"keys are on P-256, P-384 or P-521, or RSA of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits",
        fix="make a new P-256 key",
    )


def spki(key: PublicKey) -> bytes:
    """The DER SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id(certificate: x509.Certificate) -> str:
    """The subject key identifier of an authority of ours, as hexadecimal digits."""
    key = supported(certificate.public_key(), "the authority")
    return hashlib.sha256(spki(key)).hexdigest()[:40]
