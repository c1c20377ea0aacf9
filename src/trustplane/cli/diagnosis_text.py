"""A diagnosis as people and programs read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from trustplane.cli.output import instant
from trustplane.handshake.advice import command_for
from trustplane.handshake.causes import CAUSES
from trustplane.handshake.diagnosis import Diagnosis
from trustplane.handshake.failure import Failure
from trustplane.handshake.groups import Group

SHOWN_IN_FULL = 5
LISTED = 20


class CauseShape(msgspec.Struct, frozen=True):
    id: str
    confidence: float
    evidence: tuple[str, ...]
    fix: str
    command: str


class DiagnosisShape(msgspec.Struct, frozen=True, kw_only=True):
    signature: str
    causes: tuple[CauseShape, ...]
    missing: tuple[str, ...]
    runbook: str
    count: int = 1
    first: datetime | None = None
    last: datetime | None = None


class AnswerShape(DiagnosisShape, frozen=True, kw_only=True):
    """The largest group, and the others behind it."""

    failures: int = 0
    left_out: int = 0
    others: tuple[DiagnosisShape, ...] = ()


def answer(groups: Sequence[Group], failures: int, left_out: int) -> AnswerShape:
    if not groups:
        return AnswerShape(signature="", causes=(), missing=(), runbook="")
    first = _fields(groups[0])
    others = tuple(DiagnosisShape(**_fields(group)) for group in groups[1:])  # type: ignore[arg-type] # its own fields
    return AnswerShape(**first, failures=failures, left_out=left_out, others=others)  # type: ignore[arg-type] # likewise


def _fields(group: Group) -> dict[str, object]:
    diagnosis = group.diagnosis
    return {
        "signature": diagnosis.signature,
        "causes": causes_of(diagnosis),
        "missing": diagnosis.missing,
        "runbook": diagnosis.runbook,
        "count": group.count,
        "first": group.first,
        "last": group.last,
    }


def causes_of(diagnosis: Diagnosis) -> tuple[CauseShape, ...]:
    return tuple(
        CauseShape(one.cause, one.confidence, one.evidence, CAUSES[one.cause].fix, command_for(one.cause, diagnosis))
        for one in diagnosis.suspects
    )


def text(groups: Sequence[Group]) -> str:
    """The largest in full, the others as lines."""
    full = [_in_full(group) for group in groups[:SHOWN_IN_FULL]]
    rest = groups[SHOWN_IN_FULL : SHOWN_IN_FULL + LISTED]
    lines = [f"{one.count:>7}  {one.diagnosis.cause} ({one.diagnosis.signature})" for one in rest]
    left = len(groups) - SHOWN_IN_FULL - len(rest)
    more = [f"and {left} more kinds; --json has all"] if left > 0 else []
    return "\n\n".join(full + (["\n".join(["also", *lines, *more])] if lines else []))


def _in_full(group: Group) -> str:
    diagnosis = group.diagnosis
    first, *others = diagnosis.suspects
    lines = [
        f"{_strength(first.confidence)} {first.cause} ({first.confidence:.2f}): {CAUSES[first.cause].meaning}",
        *_labelled("seen", [_seen(group)]),
        *_labelled("signature", [diagnosis.signature]),
        *_labelled("evidence", first.evidence),
        *_labelled(
            "or", [f"{one.cause} ({one.confidence:.2f}): {_because(one.evidence, one.cause)}" for one in others]
        ),
        *_labelled("would tell", diagnosis.missing),
        *_labelled("fix", [CAUSES[first.cause].fix, command_for(first.cause, diagnosis)]),
        *_labelled("runbook", [f"trustplane runbook show {diagnosis.runbook}"]),
    ]
    return "\n".join(lines)


def _because(evidence: Sequence[str], cause: str) -> str:
    """The clue that speaks of this cause, or else what the cause is."""
    return next((one for one in evidence if one.startswith(("proves", "favours"))), CAUSES[cause].meaning)


def _strength(confidence: float) -> str:
    if confidence >= 0.9:
        return "It is"
    return "Probably" if confidence >= 0.5 else "Perhaps"


def _seen(group: Group) -> str:
    times = "once" if group.count == 1 else f"{group.count} times"
    when = ""
    if group.first and group.last:
        same = group.first == group.last
        when = f", {instant(group.first)}" if same else f", {instant(group.first)} to {instant(group.last)}"
    sides = group.diagnosis.pair.missing
    lacks = f"; the {sides.value}'s record is missing" if sides else ""
    return f"{times}{when}{_where(group.diagnosis.speaker)}{lacks}"


def _where(failure: Failure) -> str:
    ends = [one for one in (failure.local, failure.peer) if one]
    return f", {'between' if len(ends) > 1 else 'at'} {' and '.join(ends)}" if ends else ""


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    """What came from a log may hold line breaks; here it is one line."""
    for number, line in enumerate(lines):
        yield f"  {label if number == 0 else '':<10}  {line}".replace("\n", " ").rstrip()
