"""The ports through which flows use authority keys: `keys.authority` satisfies them, `main` introduces it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from trustplane.trust.authority import Authority, AuthorityId


class SigningKey(Protocol):
    @property
    def id(self) -> AuthorityId: ...

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey: ...

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256, in DER."""
        ...


@dataclass(frozen=True, slots=True)
class Signer:
    """An active authority and its key."""

    authority: Authority
    key: SigningKey = field(repr=False, compare=False)

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message)
