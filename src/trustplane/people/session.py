"""A session: someone signed in, until they sign out, stay away, or a working day is over.

Its token is known to the browser alone; its hash is what is kept. The tokens that guard forms are derived from it, so
that they end with it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trustplane.people.account import AccountName, Role

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
FRESH = timedelta(minutes=15)  # who approves signed in no longer ago: a screen left open approves nothing
NOTED_EVERY = timedelta(minutes=1)  # how often a use is written down
MOST_OF_ONE_ACCOUNT = 10
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    token_sha256: bytes = field(repr=False)
    account: AccountName
    started_at: datetime
    used_at: datetime
    address: str

    @property
    def ends_at(self) -> datetime:
        return min(self.used_at + IDLE, self.started_at + LONGEST)

    def is_alive(self, at: datetime) -> bool:
        return at < self.ends_at

    def is_fresh(self, at: datetime) -> bool:
        return at - self.started_at < FRESH

    def is_to_be_noted(self, at: datetime) -> bool:
        return at - self.used_at >= NOTED_EVERY


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is asking, in the role they have now."""

    session: Session
    role: Role
    subject: str = ""  # of a provider

    @property
    def name(self) -> AccountName:
        return self.session.account


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def form_token(secret: str) -> str:
    """What a form must carry, of whoever holds this cookie."""
    return hmac.digest(secret.encode(errors="replace"), b"trustplane console form", "sha256").hex()


def is_form_token(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), form_token(secret).encode())
