"""Accounts of people over the admin socket, and over nothing else: also who there is, no remote reader learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from trustplane.people.account import Account, AccountName, Role
from trustplane.wire import http_people_shapes as shapes
from trustplane.wire.http_routes import Access, Call, Operation


class AccountsPort(Protocol):
    async def everyone(self) -> Sequence[Account]: ...

    async def add(self, name: AccountName, role: Role, password: str, by: str) -> Account:
        """Refused as `account-exists`, `too-many-accounts` or `weak-password`."""
        ...

    async def give_role(self, name: AccountName, role: Role, by: str) -> Account: ...

    async def give_password(self, name: AccountName, password: str, by: str) -> Account: ...

    async def remove(self, name: AccountName, by: str) -> Account: ...


def account_operations(accounts: AccountsPort) -> tuple[Operation, ...]:
    to, one = PeopleAnswers(accounts), "/v1/accounts/{name}"
    listed, shape, socket = shapes.AccountsShape, shapes.AccountShape, Access.CHANGE
    role, password = "give another role; its sessions end", "set another password; its sessions end"
    return (
        Operation("GET", "/v1/accounts", "accounts", "who may use the console", socket, listed, to.everyone),
        Operation("POST", "/v1/accounts", "add_account", "add one", socket, shape, to.add, body=shapes.AccountRequest),
        Operation("POST", f"{one}/role", "give_role", role, socket, shape, to.role, body=shapes.RoleRequest),
        Operation(
            "POST", f"{one}/password", "give_password", password, socket, shape, to.password, (), shapes.PasswordRequest
        ),
        Operation("POST", f"{one}/remove", "remove_account", "with its sessions", socket, shape, to.remove),
    )


class PeopleAnswers:
    def __init__(self, accounts: AccountsPort) -> None:
        self._accounts = accounts

    async def everyone(self, _: Call) -> shapes.AccountsShape:
        return shapes.AccountsShape(accounts=tuple(map(_account, await self._accounts.everyone())))

    async def add(self, call: Call) -> shapes.AccountShape:
        asked = await call.body(shapes.AccountRequest)
        name, role = AccountName(asked.name), Role.parse(asked.role)
        return _account(await self._accounts.add(name, role, asked.password, call.operator()))

    async def role(self, call: Call) -> shapes.AccountShape:
        asked = await call.body(shapes.RoleRequest)
        return _account(await self._accounts.give_role(_named(call), Role.parse(asked.role), call.operator()))

    async def password(self, call: Call) -> shapes.AccountShape:
        asked = await call.body(shapes.PasswordRequest)
        return _account(await self._accounts.give_password(_named(call), asked.password, call.operator()))

    async def remove(self, call: Call) -> shapes.AccountShape:
        return _account(await self._accounts.remove(_named(call), call.operator()))


def _named(call: Call) -> AccountName:
    return AccountName(call.path("name"))


def _account(account: Account) -> shapes.AccountShape:
    return shapes.AccountShape(
        name=account.name.name,
        role=account.role.value,
        created_by=account.created_by,
        created_at=account.created_at,
        changed_at=account.changed_at,
    )
