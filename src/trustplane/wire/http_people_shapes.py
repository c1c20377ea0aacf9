"""Bodies about the accounts of people. A password goes in and never comes out."""

from __future__ import annotations

from datetime import datetime

from trustplane.wire.http_shapes import Answer, Request


class AccountRequest(Request, frozen=True, kw_only=True):
    name: str
    role: str
    password: str


class RoleRequest(Request, frozen=True, kw_only=True):
    role: str


class PasswordRequest(Request, frozen=True, kw_only=True):
    password: str


class AccountShape(Answer, frozen=True, kw_only=True):
    name: str
    role: str
    created_by: str
    created_at: datetime
    changed_at: datetime


class AccountsShape(Answer, frozen=True, kw_only=True):
    accounts: tuple[AccountShape, ...]
