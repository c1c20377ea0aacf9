"""Leaf keys, made by the agent that will hold them: a new key for every certificate, and the request that proves it."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from trustplane.registry.model import KeyKind


class LeafKey:
    """A key for one certificate."""

    __slots__ = ("_private",)

    def __init__(self, private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        self._private = private

    @classmethod
    def generate(cls, kind: KeyKind) -> LeafKey:
        match kind:
            case KeyKind.P256:
                return cls(ec.generate_private_key(ec.SECP256R1()))
            case KeyKind.P384:
                return cls(ec.generate_private_key(ec.SECP384R1()))
            case KeyKind.RSA2048:
                return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def csr(self) -> bytes:
        """DER PKCS#10 with an empty subject: the server reads the key and the proof, nothing else."""
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        return request.sign(self._private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def pkcs8(self) -> bytes:
        """Unencrypted DER PKCS#8, for the workload that owns the key."""
        return self._private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def __repr__(self) -> str:
        return f"LeafKey({self._private.key_size} bits)"
