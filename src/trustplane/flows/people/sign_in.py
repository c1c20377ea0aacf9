"""Signing in and out of the console, and who a session belongs to.

A name that does not exist costs the same time and gives the same answer as a wrong password. Hashing is slow on purpose
and so is bounded: a few at once, a few waiting, and the rest are told to come back.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.audit import people_events as events
from trustplane.clock import Clock
from trustplane.fault import Refused, Unavailable
from trustplane.people.account import Account, AccountName
from trustplane.people.attempts import Attempts
from trustplane.people.password import LONGEST, NOBODYS
from trustplane.people.session import TOKEN_BYTES, Session, SignedIn, digest_of

AT_ONCE = 2
MOST_WAITING = 16
MAX_TOKEN_CHARACTERS = 64


class Records(Protocol):
    async def account(self, name: AccountName) -> Account | None: ...

    async def open_session(self, session: Session, account: Account) -> None:
        """Refused as `account-unknown` when the account was changed or removed since it was read."""
        ...

    async def session(self, token_sha256: bytes) -> tuple[Session, Account] | None: ...

    async def use_session(self, token_sha256: bytes, at: datetime) -> None: ...

    async def end_session(self, token_sha256: bytes) -> None: ...

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


@dataclass(frozen=True, slots=True)
class FreshSession:
    """`token` is shown this once."""

    token: str = field(repr=False)
    signed_in: SignedIn


class SignIn:
    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._attempts = Attempts()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def sign_in(self, name: str, password: str, address: str) -> FreshSession:
        """Refused as `sign-in-failed`, Unavailable as `too-many-sign-ins` or `sign-in-busy`."""
        return await self.open(await self.prove(name, password, address), address)

    async def prove(self, name: str, password: str, address: str) -> Account:
        """Whose name and password these are, without a session; with the same limits."""
        self._attempts.require_patience(name, address, self._clock.now())
        account = await self._account(name)
        is_right = await self._is_right(account, password)
        at = self._clock.now()
        # Others may have failed while this one was hashed; without this a crowd of requests would outrun the limit.
        self._attempts.require_patience(name, address, at)
        if account is None or not is_right:
            await self._failed(account, name, address)
            raise _failed()
        self._attempts.succeeded(name)
        return account

    async def who(self, token: str, *, is_used: bool = True) -> SignedIn:
        """Whose session this is. Used, it lasts longer. Refused as `not-signed-in`."""
        found = await self._records.session(digest_of(token)) if 0 < len(token) <= MAX_TOKEN_CHARACTERS else None
        at = self._clock.now()
        if found is None or not found[0].is_alive(at):
            raise not_signed_in()
        session, account = found
        if is_used and session.is_to_be_noted(at):
            await self._records.use_session(session.token_sha256, at)
            session = replace(session, used_at=at)
        return SignedIn(session, account.role, account.subject)

    async def is_alive(self, token_sha256: bytes) -> bool:
        """Whether the session lasts, without using it: a page that is merely open keeps nobody signed in."""
        found = await self._records.session(token_sha256)
        return found is not None and found[0].is_alive(self._clock.now())

    async def end(self, token: str) -> None:
        """Of a browser that signs in again: nobody is left signed in by a cookie that it no longer has."""
        if 0 < len(token) <= MAX_TOKEN_CHARACTERS:
            await self._records.end_session(digest_of(token))

    async def sign_out(self, signed_in: SignedIn) -> None:
        at = self._clock.now()
        body = events.signed_out(signed_in.name.name, signed_in.session.address, at)
        await self._records.append_audit([body], at)
        await self._records.end_session(signed_in.session.token_sha256)

    async def _account(self, name: str) -> Account | None:
        try:
            return await self._records.account(AccountName(name))
        except Refused:
            return None

    async def _is_right(self, account: Account | None, password: str) -> bool:
        if self._waiting >= MOST_WAITING:
            raise _busy()
        self._waiting += 1
        try:
            async with self._turns:
                kept = (account.password if account else None) or NOBODYS
                return await asyncio.to_thread(kept.matches, password[:LONGEST]) and len(password) <= LONGEST
        finally:
            self._waiting -= 1

    async def open(self, account: Account, address: str) -> FreshSession:
        """For whoever has proved to be its owner."""
        at = self._clock.now()
        token = secrets.token_urlsafe(TOKEN_BYTES)
        session = Session(digest_of(token), account.name, at, at, address)
        body = events.signed_in(account.name.name, account.role.value, address, at)
        await self._records.append_audit([body], at)
        await self._records.open_session(session, account)
        return FreshSession(token, SignedIn(session, account.role, account.subject))

    async def _failed(self, account: Account | None, name: str, address: str) -> None:
        at = self._clock.now()
        unwritten = self._attempts.failed(name, address, at)
        if unwritten is not None:
            known = account.name.name if account else None
            await self._records.append_audit([events.sign_in_failed(known, address, unwritten, at)], at)


def not_signed_in() -> Refused:
    return Refused(
        code="not-signed-in",
        what="this page is for people who are signed in",
        why="there is no session, or it has ended",
        fix="sign in",
    )


def _failed() -> Refused:
    return Refused(
        code="sign-in-failed",
        what="name and password do not belong together",
        why="one of them is wrong, or there is no such account",
        fix="try again, or set it anew on the server: trustplane console account password NAME",
    )


def _busy() -> Unavailable:
    return Unavailable(
        code="sign-in-busy",
        what="too many people are signing in at once",
        why="checking a password is slow on purpose, and few are checked at a time",
        fix="try again in a moment",
        retry_after=timedelta(seconds=2),
    )
