"""Proofs of possession of a key: a signature over a purpose and a fresh nonce.

The purpose is part of what is signed, so that a signature made for one protocol step proves nothing in another.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from trustplane.fault import Refused

NODE_CERTIFICATE = b"trustplane node pop v1\0"
GREETING = b"trustplane greeting v1\0"
NONCE_BYTES = 32


def sign(key: PrivateKeyTypes, purpose: bytes, nonce: bytes) -> bytes:
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(purpose + nonce, ec.ECDSA(hashes.SHA256()))
        case rsa.RSAPrivateKey():
            return key.sign(purpose + nonce, padding.PKCS1v15(), hashes.SHA256())
        case _:
            raise _refuse(f"a {type(key).__name__} cannot prove itself")


def check(key: PublicKeyTypes, purpose: bytes, nonce: bytes, signature: bytes) -> None:
    """Refuse unless `signature` is `key`'s over this purpose and this nonce."""
    try:
        match key:
            case ec.EllipticCurvePublicKey():
                key.verify(signature, purpose + nonce, ec.ECDSA(hashes.SHA256()))
            case rsa.RSAPublicKey():
                key.verify(signature, purpose + nonce, padding.PKCS1v15(), hashes.SHA256())
            case _:
                raise _refuse(f"a {type(key).__name__} cannot prove itself")
    except InvalidSignature:
        raise _refuse("the signature does not match the key and the nonce") from None


def _refuse(what: str) -> Refused:
    return Refused(
        code="possession-not-proved",
        what=what,
        why="whoever presents a certificate must show that it holds the private key of it, now",
        fix="present the certificate together with its own ECDSA or RSA key",
    )
