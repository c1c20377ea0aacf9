"""What the audit log says of people: accounts, and who signed in."""

from __future__ import annotations

from datetime import datetime

from trustplane.audit.events import MAX_TEXT, canonical


def account(step: str, name: str, role: str, by: str, at: datetime) -> bytes:
    """`step` is add, role, password or remove, and is about to be done."""
    body = {"step": step, "account": name, "role": role, "by": by[:MAX_TEXT]}
    return canonical("account-intent", at, body)


def signed_in(name: str, role: str, address: str, at: datetime) -> bytes:
    return canonical("signed-in", at, {"account": name, "role": role, "address": address[:MAX_TEXT]})


def signed_out(name: str, address: str, at: datetime) -> bytes:
    return canonical("signed-out", at, {"account": name, "address": address[:MAX_TEXT]})


def sign_in_failed(name: str | None, address: str, unwritten: int, at: datetime) -> bytes:
    """Without a name there is no such account: what was typed there may be a password.

    `unwritten`: how many failures before this one were too many to be written.
    """
    return canonical(
        "sign-in-failed", at, {"account": name, "address": address[:MAX_TEXT], "unwritten_before": unwritten}
    )
