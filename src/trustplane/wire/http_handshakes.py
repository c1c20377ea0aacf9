"""Failed handshakes over HTTP: records that stand for all there were, for whoever asks to join and to diagnose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from trustplane.fault import Refused
from trustplane.flows.records.ask_failures import AskFailures, Failed
from trustplane.flows.records.keep_handshakes import KEPT_FOR, RECORDS_KEPT_FOR
from trustplane.handshake.failure import Side
from trustplane.handshake.record_shape import RecordShape, record_of
from trustplane.wire.http_issuer import IssuerShape, issuer_shape
from trustplane.wire.http_routes import Call
from trustplane.wire.http_shapes import Answer
from trustplane.wire.http_traffic_shapes import LossShape


class CompletedShape(Answer, frozen=True, kw_only=True):
    """Handshakes that were not refused, as that side counted them."""

    service: str
    side: Side
    count: int


class HandshakesShape(Answer, frozen=True, kw_only=True):
    """`failures`: records there were, of either side; `times` of the records here add up to them, less `left_out`.
    `whole`: each of them is here; else the newest of each kind, and `since` and `until` are widened to whole hours."""

    now: datetime
    since: datetime
    until: datetime
    kept_seconds: float
    records_kept_seconds: float
    failures: int
    left_out: int
    whole: bool
    records: tuple[RecordShape, ...]
    completed: tuple[CompletedShape, ...]
    losses: tuple[LossShape, ...]
    issuer: IssuerShape = IssuerShape()


class Door(Protocol):
    def handshakes(self) -> AskFailures: ...


class HandshakeAnswers:
    def __init__(self, door: Door) -> None:
        self._asking = door.handshakes()

    async def failed(self, call: Call) -> HandshakesShape:
        now = self._asking.now()
        begins, ends = (_instant(name, call.text(name)) for name in ("from", "to"))
        found = await self._asking.failed(begins or now - timedelta(seconds=call.number("seconds")), ends)
        return answer(found, now)


def answer(found: Failed, now: datetime) -> HandshakesShape:
    by_name = sorted(found.completed.items(), key=lambda one: (str(one[0][0]), one[0][1].value))
    return HandshakesShape(
        now=now,
        since=found.since,
        until=found.until,
        kept_seconds=KEPT_FOR.total_seconds(),
        records_kept_seconds=RECORDS_KEPT_FOR.total_seconds(),
        failures=found.failures,
        left_out=found.left_out,
        whole=found.is_whole,
        records=tuple(map(record_of, found.records)),
        completed=tuple(
            CompletedShape(service=str(service), side=side, count=count) for (service, side), count in by_name
        ),
        losses=tuple(
            LossShape(node=str(node), dropped=one.dropped, folded=one.folded)
            for node, one in sorted(found.losses.items())
        ),
        issuer=issuer_shape(found.issuer),
    )


def _instant(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if datetime.fromisoformat(text).tzinfo else _bad(name, text)
    except (ValueError, OverflowError):
        return _bad(name, text)


def _bad(name: str, text: str) -> datetime:
    raise Refused(
        code="bad-query",
        what=f"{name}={text!r:.60}",
        why=f"{name} is an instant with its zone",
        fix="write for example 2026-11-27T10:00:00Z",
    )
