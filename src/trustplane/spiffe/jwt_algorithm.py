"""The nine algorithms a JWT-SVID may be signed with (JWT-SVID §2.1), and which key fits which.

There is no `none` and no HMAC to choose by mistake: an algorithm outside the list has no value here.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from jwt.algorithms import get_default_algorithms

from trustplane.fault import Broken, Refused
from trustplane.spiffe.public_keys import PublicKey

_LIBRARY: Final = get_default_algorithms()


class JwtAlgorithm(Enum):
    ES256 = "ES256"
    ES384 = "ES384"
    ES512 = "ES512"
    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"

    @classmethod
    def named(cls, name: object) -> JwtAlgorithm:
        try:
            return cls(name)
        except ValueError as error:
            raise Refused(
                code="jwt-algorithm",
                what=f"the token's `alg` is {name!r:.100}",
                why=f"a JWT-SVID is signed with one of {', '.join(each.value for each in cls)} (JWT-SVID §2.1)",
                fix="fetch a JWT-SVID from the Workload API",
            ) from error

    def fits(self, key: PublicKey) -> bool:
        match self:
            case JwtAlgorithm.ES256:
                return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
            case JwtAlgorithm.ES384:
                return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1)
            case JwtAlgorithm.ES512:
                return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP521R1)
            case _:
                return isinstance(key, rsa.RSAPublicKey)

    def verifies(self, signed: bytes, signature: bytes, key: PublicKey) -> bool:
        return self.fits(key) and _LIBRARY[self.value].verify(signed, key, signature)

    def jws_signature(self, signature: bytes) -> bytes:
        """What goes into the token: for ECDSA the two numbers side by side (RFC 7518 §3.4), not their DER."""
        width = {JwtAlgorithm.ES256: 32, JwtAlgorithm.ES384: 48, JwtAlgorithm.ES512: 66}.get(self)
        if width is None:
            return signature
        try:
            r, s = decode_dss_signature(signature)
            return r.to_bytes(width) + s.to_bytes(width)
        except (ValueError, OverflowError) as error:
            raise Broken(
                code="jwt-signer-mismatch",
                what=f"the key that signs JWT-SVIDs does not make {self.value} signatures",
                why=f"an ECDSA signature in DER was expected: {error}",
                fix="report this: the JWT authority's key and its algorithm disagree",
            ) from error
