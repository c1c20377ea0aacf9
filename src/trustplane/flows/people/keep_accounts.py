"""Accounts as an operator keeps them over the admin socket; each act is in the audit log before it is done.

Whoever loses a role, a password or an account loses every session with it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from trustplane.audit import people_events as events
from trustplane.clock import Clock
from trustplane.people.account import Account, AccountName, Role, account_unknown, not_local
from trustplane.people.password import SALT_BYTES, PasswordHash, check_new


class Records(Protocol):
    async def add_account(self, account: Account) -> None:
        """Refused as `account-exists` or `too-many-accounts`."""
        ...

    async def change_account(self, account: Account) -> None:
        """Its sessions end. Refused as `account-unknown`."""
        ...

    async def remove_account(self, name: AccountName) -> None:
        """Its sessions end. Refused as `account-unknown`."""
        ...

    async def account(self, name: AccountName) -> Account | None: ...

    async def accounts(self) -> Sequence[Account]: ...

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


class KeepAccounts:
    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    async def everyone(self) -> Sequence[Account]:
        """By name."""
        return await self._records.accounts()

    async def add(self, name: AccountName, role: Role, password: str, by: str) -> Account:
        _require_local(name)
        hashed = await _hashed(password, name)
        at = self._clock.now()
        account = Account(name, role, hashed, by, at, at)
        await self._write("add", account, by)
        await self._records.add_account(account)
        return account

    async def give_role(self, name: AccountName, role: Role, by: str) -> Account:
        _require_local(name)
        old = await self._known(name)
        account = Account(name, role, old.password, old.created_by, old.created_at, self._clock.now())
        await self._write("role", account, by)
        await self._records.change_account(account)
        return account

    async def give_password(self, name: AccountName, password: str, by: str) -> Account:
        _require_local(name)
        old = await self._known(name)
        hashed = await _hashed(password, name)
        account = Account(name, old.role, hashed, old.created_by, old.created_at, self._clock.now())
        await self._write("password", account, by)
        await self._records.change_account(account)
        return account

    async def remove(self, name: AccountName, by: str) -> Account:
        account = await self._known(name)
        await self._write("remove", account, by)
        await self._records.remove_account(name)
        return account

    async def _known(self, name: AccountName) -> Account:
        found = await self._records.account(name)
        if found is None:
            raise account_unknown(name)
        return found

    async def _write(self, step: str, account: Account, by: str) -> None:
        at = self._clock.now()
        await self._records.append_audit([events.account(step, account.name.name, account.role.value, by, at)], at)


def _require_local(name: AccountName) -> None:
    if name.is_foreign:
        raise not_local(name)


async def _hashed(password: str, name: AccountName) -> PasswordHash:
    check_new(password, name.name)
    return await asyncio.to_thread(PasswordHash.of, password, secrets.token_bytes(SALT_BYTES))
