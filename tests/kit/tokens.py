"""Tokens for tests: JWT-SVIDs signed by any key, also deliberately wrong ones."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tests.kit.ca import NOON
from trustplane.spiffe.jwt_algorithm import JwtAlgorithm

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_HASHES: dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}


def claims(**changes: object) -> dict[str, object]:
    """Good claims, with members replaced, added, or left out where the change is None."""
    good: dict[str, object] = {
        "sub": "spiffe://acme.example/web",
        "aud": ["spiffe://acme.example/pay"],
        "exp": int(NOON.timestamp()) + 300,
        "iat": int(NOON.timestamp()),
    }
    return {name: each for name, each in {**good, **changes}.items() if each is not None}


def sign(message: bytes, key: SigningKey, alg: JwtAlgorithm) -> bytes:
    """As a library key answers: DER for ECDSA."""
    digest = _HASHES[alg.value[2:]]
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(message, ec.ECDSA(digest))
        case rsa.RSAPrivateKey() if alg.value.startswith("PS"):
            return key.sign(message, padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH), digest)
        case rsa.RSAPrivateKey():
            return key.sign(message, padding.PKCS1v15(), digest)


def part(value: bytes | Mapping[str, object]) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(
    key: SigningKey,
    header: bytes | Mapping[str, object],
    payload: bytes | Mapping[str, object],
    alg: JwtAlgorithm = JwtAlgorithm.ES256,
) -> str:
    """A token with exactly this header and payload; `alg` says how it is really signed."""
    signed = f"{part(header)}.{part(payload)}"
    return f"{signed}.{part(alg.jws_signature(sign(signed.encode(), key, alg)))}"
