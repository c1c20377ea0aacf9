"""Authority keys: made here, sealed for the store, used to sign. The private half leaves this object only sealed.

P-256 throughout, the root too: whoever verifies a peer pays for each signature of its chain, and P-384 costs seven
times as much (decisions/0024).
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from trustplane.fault import Broken
from trustplane.keys.sealing import Kek
from trustplane.trust.authority import AuthorityId

_ECDSA_SHA256 = ec.ECDSA(hashes.SHA256())


class AuthorityKey:
    """A P-256 signing key."""

    __slots__ = ("_private", "id", "public_key")

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key()
        self.id = identify(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256, in DER as certificates carry it."""
        return self._private.sign(message, _ECDSA_SHA256)

    def __repr__(self) -> str:
        return f"AuthorityKey({self.id})"

    def __reduce__(self) -> str:
        raise TypeError(f"{self!r} is not copied or serialised; seal it")


class AuthorityKeys:
    """Makes authority keys, and seals and unseals them under one key-encryption key."""

    def __init__(self, kek: Kek) -> None:
        self._kek = kek

    def make(self) -> tuple[AuthorityKey, bytes]:
        """A new key, and the same key sealed for the store."""
        private = ec.generate_private_key(ec.SECP256R1())
        key = AuthorityKey(private)
        pkcs8 = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return key, self._kek.seal(pkcs8, bound_to=_context(key.id))

    def unseal(self, authority: AuthorityId, sealed: bytes) -> AuthorityKey:
        private = serialization.load_der_private_key(self._kek.unseal(sealed, bound_to=_context(authority)), None)
        if not isinstance(private, ec.EllipticCurvePrivateKey) or identify(private.public_key()) != authority:
            raise Broken(
                code="sealed-key-is-another",
                what=f"the sealed key of authority {authority} is not that authority's key",
                why="its public half has a different fingerprint",
                fix="restore the authorities table from a backup, and look at the audit log for who wrote it",
            )
        return AuthorityKey(private)


def identify(key: ec.EllipticCurvePublicKey) -> AuthorityId:
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return AuthorityId(hashlib.sha256(spki).hexdigest())


def _context(authority: AuthorityId) -> bytes:
    return b"trustplane authority " + authority.hex.encode()
