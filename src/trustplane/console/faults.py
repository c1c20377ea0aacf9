"""Faults as pages: which status, and how much is told. What we got wrong is told by a reference alone."""

from __future__ import annotations

import math
import secrets

import structlog

from trustplane.fault import Broken, Finding, Refused, Unavailable

_STATUS = {
    "foreign-form": 403,
    "form-too-large": 413,
    "moved-on": 409,
    "not-an-approver": 403,
    "not-an-auditor": 403,
    "not-an-operator": 403,
    "not-signed-in": 401,
    "not-your-proposal": 403,
    "nothing-there": 404,
    "oidc-declined": 401,
    "oidc-name-taken": 403,
    "oidc-no-role": 403,
    "oidc-provider-answer": 502,
    "oidc-state": 401,
    "own-proposal": 403,
    "proposal-altered": 409,
    "proposal-moved-on": 409,
    "proposal-over": 409,
    "proposal-unknown": 404,
    "sign-in-failed": 401,
    "sign-in-too-old": 403,
    "too-many-sign-ins": 429,
}

_log = structlog.get_logger("console")


def status_of(fault: Exception) -> int:
    match fault:
        case Refused(code=code):
            return _STATUS.get(code, 400)
        case Unavailable(code=code):
            return _STATUS.get(code, 503)
        case _:
            return 500


def waiting(fault: Exception) -> dict[str, str]:
    wait = fault.retry_after if isinstance(fault, Unavailable) else None
    return {"Retry-After": str(math.ceil(wait.total_seconds()))} if wait else {}


def told(fault: Exception) -> Finding:
    """The log repeats the reference beside the cause."""
    if isinstance(fault, (Refused, Unavailable)):
        return fault.finding
    reference = secrets.token_hex(8)
    code = fault.code if isinstance(fault, Broken) else "unforeseen"
    _log.error("page-failed", reference=reference, code=code, exc_info=fault)
    return Finding(
        code=code,
        what="trustplane could not make this page",
        why="something inside it does not hold; its log has the cause under the reference",
        fix=f"look for {reference} in the log and report what it says",
    )


def too_slow(seconds: float) -> Unavailable:
    return Unavailable(
        code="page-too-slow",
        what=f"this page took longer than {seconds:.0f} seconds",
        why="the database or the disk is slow",
        fix="try again; on the server, trustplane status asks without the console",
    )


def nothing_there() -> Refused:
    return Refused(
        code="nothing-there",
        what="there is no such page",
        why="the address is mistyped, or was of another version",
        fix="go to the overview, or search",
    )
