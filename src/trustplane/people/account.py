"""Accounts of people: a name, one role, and a password of which only a slow hash is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from trustplane.fault import Refused
from trustplane.people.password import PasswordHash

MAX_ACCOUNTS = 1000

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


class Role(Enum):
    """What a person may do. Each has one; everyone sees the fleet."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"

    @property
    def may_read_audit(self) -> bool:
        """Who did what, and who signed in from where, is for those whose work it is."""
        return self is Role.AUDITOR

    @property
    def may_operate(self) -> bool:
        """Roles are kept apart, none is above another: who reviews what was done is not who does it."""
        return self is Role.OPERATOR

    @classmethod
    def parse(cls, text: str) -> Role:
        found = next((one for one in cls if one.value == text), None)
        if found is None:
            roles = ", ".join(one.value for one in cls)
            raise Refused(
                code="bad-role",
                what=f"{text!r:.60} is no role",
                why=f"the roles are {roles}",
                fix="give --role viewer to someone who only looks",
            )
        return found


@dataclass(frozen=True, slots=True, order=True)
class AccountName:
    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Refused(
                code="bad-account-name",
                what=f"{self.name!r:.100} is not the name of an account",
                why="names are 1 to 64 lower-case letters, digits and inner dots, dashes and underscores",
                fix="choose a name such as ada or ada.lovelace",
            )

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Account:
    name: AccountName
    role: Role
    password: PasswordHash = field(repr=False)
    created_by: str
    created_at: datetime
    changed_at: datetime  # of its role or its password


def account_unknown(name: AccountName) -> Refused:
    return Refused(
        code="account-unknown",
        what=f"there is no account {name}",
        why="none of this name was added, or it was removed",
        fix="trustplane console account list",
    )


def account_exists(name: AccountName) -> Refused:
    return Refused(
        code="account-exists",
        what=f"there is an account {name} already",
        why="a name is one person's",
        fix="change it with trustplane console account role or password, or choose another name",
    )


def too_many_accounts() -> Refused:
    return Refused(
        code="too-many-accounts",
        what=f"there are {MAX_ACCOUNTS} accounts already",
        why="local accounts are for the few who run the mesh",
        fix="remove those that nobody uses: trustplane console account list",
    )
