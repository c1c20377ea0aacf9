"""The part of a store that knows accounts and sessions; whoever has the store has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from trustplane.people.account import Account, AccountName
from trustplane.people.session import Session
from trustplane.store import people
from trustplane.store.database import Database


class StoredPeople:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_account(self, account: Account) -> None:
        """Refused as `account-exists` or `too-many-accounts`."""
        await self._database.write(lambda to: people.add(to, account))

    async def change_account(self, account: Account) -> None:
        """Its role and its password; its sessions end. Refused as `account-unknown`."""
        await self._database.write(lambda to: people.change(to, account))

    async def remove_account(self, name: AccountName) -> None:
        """With its sessions. Refused as `account-unknown`."""
        await self._database.write(lambda to: people.remove(to, name))

    async def account(self, name: AccountName) -> Account | None:
        return await self._database.read(lambda at: people.get(at, name))

    async def accounts(self) -> Sequence[Account]:
        """By name."""
        return await self._database.read(people.everyone)

    async def open_session(self, session: Session, account: Account) -> None:
        """Lets go of those that ended, and of the account's oldest beyond what one may have.

        Refused as `account-unknown` when the account was changed or removed since it was read.
        """
        await self._database.write(lambda to: people.open_session(to, session, account))

    async def session(self, token_sha256: bytes) -> tuple[Session, Account] | None:
        """With whose it is, as they are now; ended or not."""
        return await self._database.read(lambda at: people.session(at, token_sha256))

    async def use_session(self, token_sha256: bytes, at: datetime) -> None:
        await self._database.write(lambda to: people.use_session(to, token_sha256, at))

    async def end_session(self, token_sha256: bytes) -> None:
        await self._database.write(lambda to: people.end_session(to, token_sha256))
