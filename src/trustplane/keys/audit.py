"""The key that signs checkpoints of the audit log: Ed25519, made at first start, kept sealed in one file."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trustplane.keys.files import create_private, read_private
from trustplane.keys.sealing import Kek

FILE = "audit.key"
_CONTEXT = b"trustplane audit key"
_LARGEST = 4096


class AuditKey:
    __slots__ = ("_private", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    @classmethod
    def from_file(cls, path: Path, kek: Kek) -> AuditKey:
        """The key in that file, made if there is none."""
        if not path.exists():
            fresh = Ed25519PrivateKey.generate().private_bytes_raw()
            create_private(path, kek.seal(fresh, bound_to=_CONTEXT))
        sealed = read_private(path, _LARGEST)
        return cls(Ed25519PrivateKey.from_private_bytes(kek.unseal(sealed, bound_to=_CONTEXT)))

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"AuditKey({self.public.hex()[:12]})"
