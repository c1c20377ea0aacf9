"""Accounts and sessions in memory; passes the contract suite of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from trustplane.people.account import (
    MAX_ACCOUNTS,
    Account,
    AccountName,
    account_exists,
    account_unknown,
    too_many_accounts,
)
from trustplane.people.session import MOST_OF_ONE_ACCOUNT, Session


@dataclass(slots=True)
class MemoryPeople:
    """`bodies` is the audit log."""

    kept: dict[AccountName, Account] = field(default_factory=dict)
    open: dict[bytes, Session] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)

    async def add_account(self, account: Account) -> None:
        if len(self.kept) >= MAX_ACCOUNTS:
            raise too_many_accounts()
        if account.name in self.kept:
            raise account_exists(account.name)
        self.kept[account.name] = account

    async def change_account(self, account: Account) -> None:
        old = self._known(account.name)
        self.kept[account.name] = replace(
            old, role=account.role, password=account.password, changed_at=account.changed_at
        )
        self._end_all(account.name)

    async def remove_account(self, name: AccountName) -> None:
        del self.kept[self._known(name).name]
        self._end_all(name)

    async def account(self, name: AccountName) -> Account | None:
        return self.kept.get(name)

    async def accounts(self) -> Sequence[Account]:
        return tuple(self.kept[name] for name in sorted(self.kept))

    async def open_session(self, session: Session, account: Account) -> None:
        known = self.kept.get(session.account)
        if known is None or known.changed_at != account.changed_at:
            raise account_unknown(session.account)
        now = session.started_at
        theirs = [one for one in self.open.values() if one.account == session.account and one.is_alive(now)]
        newest = sorted(theirs, key=lambda one: one.started_at, reverse=True)[: MOST_OF_ONE_ACCOUNT - 1]
        others = [one for one in self.open.values() if one.account != session.account and one.is_alive(now)]
        self.open = {one.token_sha256: one for one in (*others, *newest, session)}

    async def session(self, token_sha256: bytes) -> tuple[Session, Account] | None:
        found = self.open.get(token_sha256)
        return None if found is None else (found, self.kept[found.account])

    async def use_session(self, token_sha256: bytes, at: datetime) -> None:
        if token_sha256 in self.open:
            self.open[token_sha256] = replace(self.open[token_sha256], used_at=at)

    async def end_session(self, token_sha256: bytes) -> None:
        self.open.pop(token_sha256, None)

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int:
        del at  # it is in the bodies
        self.bodies.extend(bodies)
        return len(self.bodies) - len(bodies)

    def _known(self, name: AccountName) -> Account:
        if name not in self.kept:
            raise account_unknown(name)
        return self.kept[name]

    def _end_all(self, name: AccountName) -> None:
        self.open = {key: one for key, one in self.open.items() if one.account != name}
