"""What nodes tell of their proxies' decisions, kept by the hour for as long as is stated here.

A node is believed about services that it may run, and about times that can be. Each operation is named as the revision
in force declares it. A kind of denial that is new in its hour goes to the server's log with the permit that comes
nearest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Unavailable
from trustplane.registry.model import DesiredState
from trustplane.registry.parcels import Losses
from trustplane.spiffe.ids import SCHEME
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.decision import DecisionKind
from trustplane.verdict.delivery import Kept, Parcel
from trustplane.verdict.nearest import in_words, nearest_permit
from trustplane.verdict.operations import named
from trustplane.verdict.tally import Sample, Tally, add

KEPT_FOR = timedelta(days=30)
AHEAD = timedelta(minutes=5)  # that a node's clock may be
PRUNED_EVERY = timedelta(minutes=30)
MOST_TOLD = 20  # denials of one parcel


class Store(Protocol):
    async def put_decisions(self, parcel: Parcel, at: datetime) -> Kept: ...

    async def prune_decisions(self, before: datetime) -> int: ...


class Declared(Protocol):
    def declared(self) -> DesiredState: ...


class KeepDecisions:
    """Satisfies `wire.node_service.Decisions`."""

    def __init__(self, store: Store, desired: Declared, clock: Clock) -> None:
        self._store = store
        self._desired = desired
        self._clock = clock
        self._log = structlog.get_logger("decisions")

    async def keep(self, parcel: Parcel) -> int:
        at, state = self._clock.now(), self._desired.declared()
        kept = await self._store.put_decisions(believed(state, parcel, at), at)
        denied = [one for one in kept.fresh if not one.allowed]
        for one in denied[:MOST_TOLD]:
            self._log.warning("request denied", **told(state, one))
        if len(denied) > MOST_TOLD:
            self._log.warning("more kinds of request denied", kinds=len(denied) - MOST_TOLD)
        return kept.number

    async def run(self) -> None:
        while True:
            try:
                gone = await self._store.prune_decisions(self._clock.now() - KEPT_FOR)
            except Unavailable as fault:
                self._log.warning("old decisions not let go", code=fault.code, what=fault.finding.what)
            else:
                if gone:
                    self._log.info("old decisions let go", rows=gone)
            await self._clock.sleep(PRUNED_EVERY)


def believed(state: DesiredState, parcel: Parcel, at: datetime) -> Parcel:
    """Without what the node may not speak of; that is counted as lost."""
    tallies: dict[DecisionKind, Tally] = {}
    lost = 0
    names = {str(one.spiffe_id): one.name for one in state.services.values()}
    for kind, tally in parcel.tallies.items():
        service = state.services.get(kind.callee)
        if service is None or (service.nodes and parcel.id.node not in service.nodes) or tally.last < at - KEPT_FOR:
            lost += tally.count
        else:
            add(tallies, _called(names, named(kind, service.operations)), _possible(tally, at))
    return replace(parcel, tallies=tallies, losses=Losses(parcel.losses.dropped + lost, parcel.losses.folded))


def _called(names: Mapping[str, ServiceName], kind: DecisionKind) -> DecisionKind:
    """Where no policy decides, proxies know a rule by the caller's ID; people by how it came to be."""
    trial = kind.trial
    if trial is not None:
        trial = replace(trial, verdict=replace(trial.verdict, rule=_rule(names, trial.verdict.rule)))
    return replace(kind, enforced=replace(kind.enforced, rule=_rule(names, kind.enforced.rule)), trial=trial)


def _rule(names: Mapping[str, ServiceName], rule: str | None) -> str | None:
    if rule is None or not rule.startswith(SCHEME):
        return rule
    name = names.get(rule)
    return f"declared.{name.namespace}.{name.name}" if name else f"foreign.{rule.removeprefix(SCHEME)}"


def _possible(tally: Tally, at: datetime) -> Tally:
    """Not later than now, by a clock that may be a little ahead."""
    latest = at + AHEAD
    sample = tally.sample
    return Tally(
        tally.count,
        min(tally.first, latest),
        min(tally.last, latest),
        Sample(min(sample.at, latest), sample.request_id) if sample else None,
    )


def told(state: DesiredState, kind: DecisionKind) -> Mapping[str, str]:
    near = nearest_permit(state, kind)
    return {
        "caller": str(kind.caller or "no single SPIFFE ID"),
        "service": str(kind.callee),
        "operation": kind.operation or "none",
        "request": f"{kind.method} {kind.path}",
        "rule": kind.enforced.rule or "default",
        **({"would_allow": in_words(near)} if near else {}),
    }
