"""Decisions as rows: one for each kind and hour."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from trustplane.policy.access import Verdict
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.decision import DecisionKind, SeenPath, Trial
from trustplane.verdict.tally import Sample, Tally

ENFORCED = (
    *("callee", "caller", "method", "path", "is_folded", "is_plain", "port", "operation"),
    *("is_allowed", "rule"),
)
TRIAL = ("candidate", "would_allow", "would_rule")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def columns(kind: DecisionKind) -> dict[str, Any]:
    trial = kind.trial
    return {
        "callee": str(kind.callee),
        "caller": str(kind.caller) if kind.caller else "",
        "method": kind.method,
        "path": kind.path.text,
        "is_folded": kind.path.folded,
        "is_plain": kind.path.plain,
        "port": kind.port,
        "operation": kind.operation or "",
        "is_allowed": kind.enforced.allowed,
        "rule": kind.enforced.rule or "",
        "candidate": trial.candidate if trial else "",
        "would_allow": trial.verdict.allowed if trial else False,
        "would_rule": (trial.verdict.rule or "") if trial else "",
    }


def digest(kind: DecisionKind) -> str:
    """No value of a kind contains a line break."""
    text = "\n".join(str(value) for value in columns(kind).values())
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def row(hour: datetime, kind: DecisionKind, tally: Tally) -> dict[str, Any]:
    counted = {"count": tally.count, "first": tally.first, "last": tally.last, "sample": _sample(tally.sample)}
    return {"hour": hour, "kind": digest(kind), **columns(kind), **counted}


def kind_of(found: Row[Any]) -> DecisionKind:
    trial = None
    if getattr(found, "candidate", ""):
        trial = Trial(found.candidate, Verdict(allowed=bool(found.would_allow), rule=found.would_rule or None))
    return DecisionKind(
        callee=ServiceName.parse(found.callee),
        caller=SpiffeId.parse(found.caller) if found.caller else None,
        method=found.method,
        path=SeenPath(found.path, bool(found.is_folded), bool(found.is_plain)),
        port=found.port,
        operation=found.operation or None,
        enforced=Verdict(allowed=bool(found.is_allowed), rule=found.rule or None),
        trial=trial,
    )


def tally_of(found: Row[Any]) -> Tally:
    return Tally(int(found.requests), found.began, found.ended, _sample_of(found.newest))


def _sample(sample: Sample | None) -> str:
    return f"{(sample.at - _EPOCH) // _MICROSECOND:020d} {sample.request_id}" if sample else ""


def _sample_of(text: str) -> Sample | None:
    at, _, request_id = text.partition(" ")
    return Sample(_EPOCH + int(at) * _MICROSECOND, request_id) if request_id else None
