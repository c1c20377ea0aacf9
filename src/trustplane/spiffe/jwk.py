"""Public keys as JSON Web Keys (RFC 7517), through PyJWT, which keeps the coordinates' fixed lengths."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from trustplane.fault import Refused
from trustplane.spiffe.public_keys import PublicKey, supported

KNOWN_TYPES = ("EC", "RSA")

_PARAMETERS = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e")}


def to_jwk(key: PublicKey) -> dict[str, str]:
    jwk = (
        ECAlgorithm.to_jwk(key, as_dict=True)
        if isinstance(key, ec.EllipticCurvePublicKey)
        else RSAAlgorithm.to_jwk(key, as_dict=True)
    )
    return {name: jwk[name] for name in _PARAMETERS[jwk["kty"]]}


def from_jwk(jwk: Mapping[str, object], holder: str) -> PublicKey:
    """The key of a JWK whose `kty` is known. Private members are not read, so they cannot enter a bundle."""
    kind = str(jwk["kty"])
    public = {name: jwk.get(name) for name in _PARAMETERS[kind]}
    try:
        key = ECAlgorithm.from_jwk(public) if kind == "EC" else RSAAlgorithm.from_jwk(public)
    except (InvalidKeyError, ValueError, TypeError) as error:
        raise Refused(
            code="bad-jwk",
            what=f"{holder} has key parameters that are no {kind} key",
            why=str(error)[:300],
            fix="have the trust domain publish its bundle again",
        ) from error
    return supported(key, holder)
