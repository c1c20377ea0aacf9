"""What proxies decided, over HTTP: as shapes, and back to values for commands that replay it."""

from __future__ import annotations

from datetime import timedelta

from trustplane.clock import Clock
from trustplane.flows.records.keep_decisions import KEPT_FOR
from trustplane.policy.access import Verdict
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.decision import DecisionKind, SeenPath, Trial
from trustplane.verdict.nearest import in_words, nearest_permit
from trustplane.verdict.tally import Sample, Tally
from trustplane.wire.http_door import TrafficPort
from trustplane.wire.http_routes import Call
from trustplane.wire.http_traffic_shapes import DecisionShape, LossShape, TrafficShape, TrialShape

MOST_DECISIONS = 20_000
MOST_EXPLAINED = 100  # denials with the permit that comes nearest: finding it takes the server a millisecond or so


class TrafficAnswers:
    def __init__(self, door: TrafficPort, clock: Clock) -> None:
        self._door = door
        self._clock = clock

    async def traffic(self, call: Call) -> TrafficShape:
        now, limit = self._clock.now(), call.number("limit")
        since = (now - timedelta(seconds=call.number("seconds"))).replace(minute=0, second=0, microsecond=0)
        service, current = call.text("service"), await self._door.current()
        callee = ServiceName.parse(service) if service else None
        found = await self._door.decisions(since, callee, call.text("candidate") or None, limit + 1)
        losses = await self._door.decision_losses(since)
        state = current[1] if current else None
        denied = [kind for kind, _ in found[:limit] if not kind.allowed][:MOST_EXPLAINED]
        near = {kind: in_words(one) for kind in denied if state and (one := nearest_permit(state, kind))}
        names = state.names_by_id() if state else {}
        return TrafficShape(
            now=now,
            since=since,
            kept_seconds=KEPT_FOR.total_seconds(),
            decisions=tuple(_decision(kind, tally, names, near.get(kind)) for kind, tally in found[:limit]),
            losses=tuple(
                LossShape(node=str(node), dropped=one.dropped, folded=one.folded)
                for node, one in sorted(losses.items())
                if one.dropped or one.folded
            ),
            more=len(found) > limit,
        )


def _decision(kind: DecisionKind, tally: Tally, names: dict[SpiffeId, str], near: str | None) -> DecisionShape:
    trial = kind.trial
    return DecisionShape(
        service=str(kind.callee),
        caller=str(kind.caller) if kind.caller else None,
        caller_service=names.get(kind.caller) if kind.caller else None,
        operation=kind.operation,
        method=kind.method,
        path=kind.path.text,
        path_folded=kind.path.folded,
        path_plain=kind.path.plain,
        port=kind.port,
        allowed=kind.enforced.allowed,
        rule=kind.enforced.rule,
        count=tally.count,
        first=tally.first,
        last=tally.last,
        sample=tally.sample.request_id if tally.sample else None,
        sampled_at=tally.sample.at if tally.sample else None,
        trial=TrialShape(candidate=trial.candidate, allowed=trial.verdict.allowed, rule=trial.verdict.rule)
        if trial
        else None,
        nearest=near,
    )


def decision_of(shape: DecisionShape) -> tuple[DecisionKind, Tally]:
    trial = shape.trial
    kind = DecisionKind(
        callee=ServiceName.parse(shape.service),
        caller=SpiffeId.parse(shape.caller) if shape.caller else None,
        method=shape.method,
        path=SeenPath(shape.path, shape.path_folded, shape.path_plain),
        port=shape.port,
        operation=shape.operation,
        enforced=Verdict(allowed=shape.allowed, rule=shape.rule),
        trial=Trial(trial.candidate, Verdict(allowed=trial.allowed, rule=trial.rule)) if trial else None,
    )
    sample = Sample(shape.sampled_at, shape.sample) if shape.sample and shape.sampled_at else None
    return kind, Tally(shape.count, shape.first, shape.last, sample)
