"""Sealing keys at rest: AES-256-GCM under a key-encryption key that the database does not hold.

The key comes from a systemd credential, a passphrase, or a file only its owner may read (decisions/0023). What is
sealed is bound to its purpose: a sealed key moved to another authority's row does not open.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trustplane.fault import Refused
from trustplane.keys.files import EVERYBODY, create_private, read_private

CREDENTIAL = "trustplane-seal"
KEY_FILE = "seal.key"
SHORTEST_KEY = 32
SHORTEST_PASSPHRASE = 12
_LARGEST = 4096

_FORMAT = b"tp-seal-1\0"
_SALT_BYTES = 16
_NONCE_BYTES = 12


class Kek:
    """A key-encryption key. A secret that people choose is stretched with scrypt, one salt per process."""

    __slots__ = ("_salt", "_secret", "_stretched", "_told_as")

    def __init__(self, secret: bytes, *, stretched: bool, told_as: str) -> None:
        shortest = SHORTEST_PASSPHRASE if stretched else SHORTEST_KEY
        if len(secret) < shortest:
            raise Refused(
                code="weak-seal",
                what=f"{told_as} has {len(secret)} bytes",
                why=f"at least {shortest} are needed to seal authority keys",
                fix="write a longer one, for example: head -c 32 /dev/urandom | base64",
            )
        self._secret = secret
        self._stretched = stretched
        self._told_as = told_as
        self._salt = secrets.token_bytes(_SALT_BYTES)

    @classmethod
    def from_key_file(cls, path: Path) -> Kek:
        """The key in a file, made at first start."""
        create_private(path, secrets.token_bytes(SHORTEST_KEY))
        return cls(read_private(path, _LARGEST), stretched=False, told_as=str(path))

    @classmethod
    def from_passphrase_file(cls, path: Path) -> Kek:
        return cls(read_private(path, _LARGEST).rstrip(b"\r\n"), stretched=True, told_as=str(path))

    @classmethod
    def from_credential(cls, path: Path) -> Kek:
        # systemd lets the unit's user in by an access list, which shows as bits of the group (systemd.exec(5)).
        content = read_private(path, _LARGEST, closed_to=EVERYBODY)
        return cls(content, stretched=False, told_as=f"the systemd credential {CREDENTIAL}")

    def seal(self, plaintext: bytes, bound_to: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._key(self._salt)).encrypt(nonce, plaintext, _FORMAT + bound_to)
        return _FORMAT + self._salt + nonce + sealed

    def unseal(self, sealed: bytes, bound_to: bytes) -> bytes:
        header = len(_FORMAT) + _SALT_BYTES
        salt, nonce = sealed[len(_FORMAT) : header], sealed[header : header + _NONCE_BYTES]
        if not sealed.startswith(_FORMAT) or len(nonce) != _NONCE_BYTES:
            raise self._does_not_open("it is not in the format this version writes")
        try:
            return AESGCM(self._key(salt)).decrypt(nonce, sealed[header + _NONCE_BYTES :], _FORMAT + bound_to)
        except InvalidTag as error:
            raise self._does_not_open("it was sealed under another key, for another authority, or changed") from error

    def _key(self, salt: bytes) -> bytes:
        if self._stretched:
            return _stretch(self._secret, salt)
        return HKDF(hashes.SHA256(), 32, salt, b"trustplane seal v1").derive(self._secret)

    def _does_not_open(self, why: str) -> Refused:
        return Refused(
            code="seal-does-not-open",
            what=f"a sealed key does not open with {self._told_as}",
            why=why,
            fix="give this server the sealing key of the server that made the database; replicas share one",
        )

    def __repr__(self) -> str:
        return f"Kek({self._told_as})"


def choose_kek(data_dir: Path, passphrase_file: Path | None, credentials: Path | None) -> Kek:
    """A passphrase if the operator gave one, else a systemd credential if there is one, else a key file."""
    if passphrase_file is not None:
        return Kek.from_passphrase_file(passphrase_file)
    if credentials is not None and (credentials / CREDENTIAL).exists():
        return Kek.from_credential(credentials / CREDENTIAL)
    return Kek.from_key_file(data_dir / KEY_FILE)


def credentials_directory() -> Path | None:
    """Where systemd puts this unit's credentials (systemd.exec(5), LoadCredentialEncrypted=)."""
    named = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(named) if named else None


@lru_cache(maxsize=64)
def _stretch(secret: bytes, salt: bytes) -> bytes:
    # 64 MiB and about 0.1 s a guess. Salts are per process that sealed, so a start pays this a few times at most.
    return hashlib.scrypt(secret, salt=salt, n=2**16, r=8, p=1, maxmem=2**27, dklen=32)
