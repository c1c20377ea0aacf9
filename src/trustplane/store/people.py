"""Accounts and sessions. What changes an account ends its sessions in the same transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from trustplane.people.account import (
    MAX_ACCOUNTS,
    Account,
    AccountName,
    Role,
    account_exists,
    account_unknown,
    too_many_accounts,
)
from trustplane.people.password import PasswordHash
from trustplane.people.session import IDLE, LONGEST, MOST_OF_ONE_ACCOUNT, Session
from trustplane.store.tables import accounts, sessions
from trustplane.store.transaction import Transaction


def add(transaction: Transaction, account: Account) -> None:
    if transaction.read(select(func.count()).select_from(accounts)).scalar_one() >= MAX_ACCOUNTS:
        raise too_many_accounts()
    new = transaction.insert_or(accounts).on_conflict_do_nothing(index_elements=["name"])
    if transaction.write(new.values(**_row(account))) != 1:
        raise account_exists(account.name)


def change(transaction: Transaction, account: Account) -> None:
    row = _row(account)
    statement = update(accounts).where(accounts.c.name == account.name.name)
    if transaction.write(statement.values({name: row[name] for name in ("role", "password", "changed_at")})) != 1:
        raise account_unknown(account.name)
    _end_all(transaction, account.name)


def remove(transaction: Transaction, name: AccountName) -> None:
    if transaction.write(delete(accounts).where(accounts.c.name == name.name)) != 1:
        raise account_unknown(name)
    _end_all(transaction, name)


def get(connection: Connection, name: AccountName) -> Account | None:
    row = connection.execute(select(accounts).where(accounts.c.name == name.name)).first()
    return None if row is None else _account(row)


def everyone(connection: Connection) -> tuple[Account, ...]:
    return tuple(_account(row) for row in connection.execute(select(accounts).order_by(accounts.c.name)))


def open_session(transaction: Transaction, session: Session, account: Account) -> None:
    """An account that was changed or removed since it was read gets none: its password may be another one now."""
    name, now = session.account, session.started_at
    as_read = select(accounts.c.name).where(accounts.c.name == name.name, accounts.c.changed_at == account.changed_at)
    if transaction.read(as_read).first() is None:
        raise account_unknown(name)
    ended = or_(sessions.c.used_at <= now - IDLE, sessions.c.started_at <= now - LONGEST)
    transaction.write(delete(sessions).where(ended))
    theirs = select(sessions.c.token_sha256).where(sessions.c.account == name.name)
    newest = theirs.order_by(sessions.c.started_at.desc()).limit(MOST_OF_ONE_ACCOUNT - 1)
    kept = list(transaction.read(newest).scalars())
    transaction.write(delete(sessions).where(sessions.c.account == name.name, sessions.c.token_sha256.not_in(kept)))
    transaction.write(
        insert(sessions),
        {
            "token_sha256": session.token_sha256,
            "account": name.name,
            "started_at": session.started_at,
            "used_at": session.used_at,
            "address": session.address,
        },
    )


def session(connection: Connection, token_sha256: bytes) -> tuple[Session, Account] | None:
    both = select(sessions, accounts).join(accounts, accounts.c.name == sessions.c.account)
    row = connection.execute(both.where(sessions.c.token_sha256 == token_sha256)).first()
    if row is None:
        return None
    account = _account(row)
    return Session(row.token_sha256, account.name, row.started_at, row.used_at, row.address), account


def use_session(transaction: Transaction, token_sha256: bytes, at: datetime) -> None:
    transaction.write(update(sessions).where(sessions.c.token_sha256 == token_sha256).values(used_at=at))


def end_session(transaction: Transaction, token_sha256: bytes) -> None:
    transaction.write(delete(sessions).where(sessions.c.token_sha256 == token_sha256))


def _end_all(transaction: Transaction, name: AccountName) -> None:
    transaction.write(delete(sessions).where(sessions.c.account == name.name))


def _row(account: Account) -> dict[str, Any]:
    return {
        "name": account.name.name,
        "role": account.role.value,
        "password": account.password.text if account.password else "",
        "subject": account.subject,
        "created_by": account.created_by,
        "created_at": account.created_at,
        "changed_at": account.changed_at,
    }


def _account(row: Row[Any]) -> Account:
    name, role = AccountName(row.name), Role.parse(row.role)
    password = PasswordHash(row.password) if row.password else None
    return Account(name, role, password, row.created_by, row.created_at, row.changed_at, row.subject)
