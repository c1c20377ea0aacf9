"""Accounts of people: a name, one role, and either a password, of which only a slow hash is kept, or a subject of an
OpenID provider.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from trustplane.fault import Refused
from trustplane.people.password import PasswordHash

MAX_ACCOUNTS = 1000

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")
# As a provider calls people, often by an address. The prefix keeps them apart from local accounts.
_FOREIGN = re.compile(r"oidc:[A-Za-z0-9]([A-Za-z0-9._@+-]{0,126}[A-Za-z0-9])?")


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

    @property
    def may_approve(self) -> bool:
        """What an operator proposed; an approver proposes nothing and does nothing alone."""
        return self is Role.APPROVER

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
        if self.is_foreign:
            if not _FOREIGN.fullmatch(self.name):
                raise _bad_foreign(self.name)
        elif not _NAME.fullmatch(self.name):
            raise Refused(
                code="bad-account-name",
                what=f"{self.name!r:.100} is not the name of an account",
                why="names are 1 to 64 lower-case letters, digits and inner dots, dashes and underscores",
                fix="choose a name such as ada or ada.lovelace",
            )

    def __str__(self) -> str:
        return self.name

    @property
    def is_foreign(self) -> bool:
        return self.name.startswith("oidc:")

    @classmethod
    def foreign(cls, name: str) -> AccountName:
        """As an OpenID provider calls them."""
        return cls(f"oidc:{name}")


def _bad_foreign(name: str) -> Refused:
    return Refused(
        code="bad-account-name",
        what=f"{name!r:.200} cannot be the name of an account",
        why="a provider's names are taken with up to 128 letters, digits and inner dots, dashes, underscores, @ and +",
        fix="have the settings name a claim with such names: name_claim",
    )


@dataclass(frozen=True, slots=True)
class Account:
    name: AccountName
    role: Role
    password: PasswordHash | None = field(repr=False)  # none: whoever a provider says it is
    created_by: str
    created_at: datetime
    changed_at: datetime  # of its role or its password
    subject: str = ""  # of a provider: its issuer, a space, and who it is there


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


def not_local(name: AccountName) -> Refused:
    return Refused(
        code="not-a-local-account",
        what=f"{name} is an account of a provider",
        why="its role follows from its groups there, and it has no password here",
        fix="change the groups at the provider, or what they may do in the file of --console-oidc; remove cuts it off",
    )


def require_approver(name: AccountName, role: Role) -> None:
    if not role.may_approve:
        raise Refused(
            code="not-an-approver",
            what="only an approver decides here",
            why=f"the role of {name} is {role.value}",
            fix=f"ask an approver, or {how_to_become(Role.APPROVER, name)}",
        )


def how_to_become(role: Role, name: AccountName) -> str:
    """What to do for another role."""
    if name.is_foreign:
        return f"ask for a group at your provider that is {role.value} here, and sign in again"
    return f"on the server: trustplane console account role {name} {role.value}"


def too_many_accounts() -> Refused:
    return Refused(
        code="too-many-accounts",
        what=f"there are {MAX_ACCOUNTS} accounts already",
        why="local accounts are for the few who run the mesh",
        fix="remove those that nobody uses: trustplane console account list",
    )
