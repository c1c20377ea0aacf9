"""Passwords: which are taken, and the hash that is kept of one (scrypt, RFC 7914).

The cost is OWASP's for scrypt with 32 MiB. It is kept with each hash, so that it can rise without a reset.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass, field

from trustplane.fault import Broken, Refused

SHORTEST, LONGEST = 12, 200
FEWEST_DISTINCT = 5
SALT_BYTES = 16
_LOG_N, _R, _P = 15, 8, 3
_WRITTEN = re.compile(r"scrypt\$(\d{2})\$(\d)\$(\d)\$([A-Za-z0-9+/=]{24})\$([A-Za-z0-9+/=]{44})")


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """`text` is what is stored: scheme, cost, salt, hash."""

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _WRITTEN.fullmatch(self.text):
            raise Broken(
                code="bad-password-hash",
                what="a stored password hash is not what this version writes",
                why="it has another scheme, or the row was changed from outside",
                fix="set the password anew: trustplane console account password NAME",
            )

    @classmethod
    def of(cls, password: str, salt: bytes) -> PasswordHash:
        """Slow on purpose: not for the event loop."""
        hashed = _scrypt(password, salt, _LOG_N, _R, _P)
        return cls(f"scrypt${_LOG_N}${_R}${_P}${_text(salt)}${_text(hashed)}")

    def matches(self, password: str) -> bool:
        """Slow on purpose: not for the event loop. Compares in constant time."""
        found = _WRITTEN.fullmatch(self.text)
        log_n, r, p, salt, kept = found.groups() if found else ("", "", "", "", "")
        hashed = _scrypt(password, base64.b64decode(salt), int(log_n), int(r), int(p))
        return hmac.compare_digest(hashed, base64.b64decode(kept))


# What an unknown name is compared with, so that it takes as long as a known one. No password hashes to it.
NOBODYS = PasswordHash(f"scrypt${_LOG_N}${_R}${_P}${base64.b64encode(bytes(16)).decode()}${'A' * 43}=")


def check_new(password: str, name: str) -> None:
    """Length is what counts; no rule about kinds of characters (NIST SP 800-63B-4, 3.1.1.2)."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise _refused(f"it has {len(password)} characters", f"{SHORTEST} to {LONGEST} are taken")
    if len(set(password)) < FEWEST_DISTINCT:
        raise _refused("it repeats the same few characters", f"at least {FEWEST_DISTINCT} of them differ")
    if name in password.lower():
        raise _refused("it contains the account's name", "that is what is tried first")
    if not all(one.isprintable() for one in password):
        raise _refused("it has characters that no keyboard types into a form", "it could never be entered")


def _refused(what: str, why: str) -> Refused:
    return Refused(
        code="weak-password",
        what=f"the password is not taken: {what}",
        why=why,
        fix="choose four or more unrelated words, or let a password keeper choose",
    )


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    # Two keyboards may write one letter in two ways.
    secret = unicodedata.normalize("NFC", password[:LONGEST]).encode(errors="surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=1 << log_n, r=r, p=p, maxmem=64 * 1024 * 1024, dklen=32)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
