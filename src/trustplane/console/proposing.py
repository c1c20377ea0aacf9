"""What an operator fills in to propose an act, as the act itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from trustplane.fault import Refused
from trustplane.flows.approvals.dry_runs import promotion
from trustplane.flows.approvals.revocations import id_revocation, issuer_revocation
from trustplane.flows.approvals.root_changes import root_change, waiver
from trustplane.people.proposed_act import MAX_TEXT, Act, ActKind
from trustplane.rotation.root_change import Participant, Waiver
from trustplane.spiffe.ids import SpiffeId
from trustplane.trust.revocation import Reason
from trustplane.verdict.dry_run import DryRun
from trustplane.verdict.promotion import Conditions

MAX_HOURS = 24 * 30
YES = "yes"
UNSAID = "not said yet"  # why, while the page that asks for it is made
REASONS = tuple(one.value for one in Reason)


@dataclass(frozen=True, slots=True)
class Form:
    """How an act is asked for. `asks` names further fields; `page` is where it belongs."""

    title: str
    asks: tuple[str, ...]
    command: str
    page: str


FORMS: Mapping[ActKind, Form] = {
    ActKind.START_ROOT_CHANGE: Form(
        "Propose a change of root", ("emergency",), "trustplane rotate start --reason REASON", "/trust"
    ),
    ActKind.WAIVE_PARTICIPANT: Form(
        "Propose not to wait for a participant",
        ("owner", "until"),
        "trustplane rotate waive PARTICIPANT --reason REASON --owner OWNER --until DAY",
        "/trust",
    ),
    ActKind.PROMOTE_DRY_RUN: Form(
        "Propose to enforce what was tried",
        ("hours", "least", "expected"),
        "trustplane policy shadow promote",
        "/dry-run",
    ),
    ActKind.REVOKE_ID: Form(
        "Propose to revoke an identity", ("reason",), "trustplane revoke id ID --reason REASON", "/services"
    ),
    ActKind.REVOKE_ISSUER: Form(
        "Propose to revoke an issuer",
        ("reason", "compromised"),
        "trustplane revoke issuer AUTHORITY --reason REASON",
        "/trust",
    ),
}


def act_of(kind: ActKind, fields: Mapping[str, str], run: Callable[[], DryRun], at: datetime) -> Act:
    """`of` is what it is about. Refused when it is not what such an act is made of."""
    of, why = fields.get("of", ""), fields.get("why", "")[: MAX_TEXT + 1].strip() or UNSAID
    match kind:
        case ActKind.START_ROOT_CHANGE:
            return root_change(why, is_emergency=_is(fields, "emergency"))
        case ActKind.WAIVE_PARTICIPANT:
            until = _day(fields.get("until", ""), at)
            return waiver(Waiver(Participant(of), why, fields.get("owner", "") or UNSAID, "", at, until))
        case ActKind.PROMOTE_DRY_RUN:
            return promotion(run(), _conditions(fields))
        case ActKind.REVOKE_ID:
            return id_revocation(SpiffeId.parse(of), _reason(fields), "" if why == UNSAID else why)
        case ActKind.REVOKE_ISSUER:
            note = "" if why == UNSAID else why
            return issuer_revocation(of, _reason(fields), note, compromised=_is(fields, "compromised"))


def _is(fields: Mapping[str, str], name: str) -> bool:
    return fields.get(name, "") == YES


def _reason(fields: Mapping[str, str]) -> Reason:
    given = fields.get("reason", Reason.UNSPECIFIED.value)
    found = next((one for one in Reason if one.value == given), None)
    if found is None:
        raise Refused(
            code="unknown-revocation-reason",
            what=f"{given!r:.60} is not a reason to revoke for",
            why="CRLs carry one of RFC 5280's reasons, so that others understand it",
            fix=f"one of {', '.join(REASONS)}; say more in your own words",
        )
    return found


def _conditions(fields: Mapping[str, str]) -> Conditions:
    hours, least = _number(fields, "hours", 24), _number(fields, "least", 1)
    lines = (one.strip() for one in fields.get("expected", "").splitlines())
    return Conditions(timedelta(hours=hours), least, tuple(one for one in lines if one), "")


def _number(fields: Mapping[str, str], name: str, default: int) -> int:
    text = fields.get(name, "") or str(default)
    if not text.isascii() or not text.isdigit() or len(text) > 6 or (name == "hours" and int(text) > MAX_HOURS):
        raise Refused(
            code="bad-condition",
            what=f"{text!r:.40} is no number of {name}",
            why="what a dry run must have shown is counted in whole hours and requests",
            fix=f"write a number; hours are {MAX_HOURS} at most",
        )
    return int(text)


def _day(text: str, at: datetime) -> datetime:
    if not text:
        return at + timedelta(days=7)
    try:
        return datetime.strptime(text[:10], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise Refused(
            code="bad-day",
            what=f"{text!r:.60} is no day",
            why="a waiver ends at a known moment",
            fix="write it as 2030-01-31",
        ) from error
