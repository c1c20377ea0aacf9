"""What the failures of a time have in common, against the links that worked, and after which change they began."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from trustplane.change.rollout import Rollout as ToldRollout
from trustplane.clock import Clock
from trustplane.flows.clock_skew import WORTH_SAYING, Skew
from trustplane.handshake.failure import Side
from trustplane.handshake.fleet.changes import Window
from trustplane.handshake.fleet.mesh import Mesh, subjects_of
from trustplane.handshake.fleet.ranking import Ranking, ranked
from trustplane.handshake.fleet.sidecars import AGENT, Setups, Sidecar
from trustplane.handshake.fleet.subject import Rollout
from trustplane.handshake.setup import StoredSetup
from trustplane.handshake.stored import Stored
from trustplane.issuance.record import IssuedCertificate
from trustplane.registry.model import DesiredState
from trustplane.registry.records import Agent, Hosting, Revision
from trustplane.rotation.root_change import RootChange
from trustplane.spiffe.names import NodeName, ServiceName

MOST_RECORDS = 10_000
MOST_CHANGES = 200
MOST_SETUPS = 200_000
VERSIONS_FROM = timedelta(days=30)

Key = TypeVar("Key")
Value = TypeVar("Value")


class Records(Protocol):
    async def failures(self, since: datetime, until: datetime, limit: int) -> Sequence[Stored]: ...

    async def failures_counted(self, since: datetime, until: datetime) -> int: ...

    async def handshakes_completed(
        self, since: datetime, until: datetime
    ) -> Mapping[tuple[NodeName, ServiceName, Side], int]: ...

    async def sidecar_setups(self, since: datetime, until: datetime, limit: int) -> Sequence[StoredSetup]: ...

    async def agents(self) -> Sequence[Agent]: ...

    async def hosting(self) -> Sequence[Hosting]: ...

    async def newest_certificates(self) -> Sequence[IssuedCertificate]: ...

    async def rollouts(self, since: datetime, limit: int) -> Sequence[ToldRollout]: ...

    async def revisions(self, limit: int, before: int | None = None) -> Sequence[Revision]: ...

    async def root_changes(self, limit: int) -> Sequence[RootChange]: ...


class Connected(Protocol):
    def builds(self) -> Mapping[NodeName, str]: ...

    def skews(self) -> Mapping[NodeName, Skew | None]: ...


@dataclass(frozen=True, slots=True)
class Compared:
    """Of the time from `since` until `until`. `left_out`: failures before it, which were more than are looked at."""

    ranking: Ranking
    since: datetime
    until: datetime
    changes: tuple[Rollout, ...]
    left_out: int


class CompareFailures:
    def __init__(
        self, records: Records, desired: Callable[[], DesiredState], connected: Connected, clock: Clock
    ) -> None:
        self._records = records
        self._desired = desired
        self._connected = connected
        self._clock = clock

    async def compare(self, lasting: timedelta) -> Compared:
        until = self._clock.now()
        since = until - lasting
        records = await self._records.failures(since, until, MOST_RECORDS)
        left_out = 0
        if len(records) == MOST_RECORDS:
            looked_at = sum(one.reported.failure.times for one in records)
            left_out = max(0, await self._records.failures_counted(since, until) - looked_at)
            since = min(one.reported.at for one in records)
        completed = await self._records.handshakes_completed(since, until)
        told = await self._records.rollouts(until - VERSIONS_FROM, 1000)
        hosting = await self._records.hosting()
        setups = Setups(await self._records.sidecar_setups(since, until, MOST_SETUPS))
        mesh = await self._mesh(told, hosting, setups)
        # Before the first sidecar came nothing could fail: that time is no evidence against what changed then.
        since = max(since, min((one for one in mesh.began.values() if one < until), default=since))
        changes = (*_of_others(told, mesh, since), *await self._own(since), *setups.upgrades(since))
        return Compared(
            await asyncio.to_thread(ranking_of, mesh, records, completed, changes, Window(since, until)),
            since,
            until,
            changes,
            left_out,
        )

    async def _mesh(self, told: Sequence[ToldRollout], hosting: Sequence[Hosting], setups: Setups) -> Mesh:
        desired, agents = self._desired(), await self._records.agents()
        issued = {(one.spiffe_id, one.node): one for one in await self._records.newest_certificates()}
        builds, skews = self._connected.builds(), self._connected.skews()
        facts = {}
        for one in hosting:
            service = desired.services.get(one.service)
            sidecar, cluster = Sidecar(one.service, one.node), desired.clusters.of_node(one.node)
            leaf = issued.get((service.spiffe_id, one.node)) if service else None
            found = {
                "cluster": str(cluster or ""),
                AGENT: "" if setups.first(sidecar) else builds.get(one.node, ""),
                "clock": _clock_of(skews.get(one.node)),
                "issuer": leaf.authority.hex[:12] if leaf else "",
                "profile": leaf.profile if leaf else "",
                "version": _version_of(sidecar, told),
            }
            facts[sidecar] = {name: value for name, value in found.items() if value}
        began = {Sidecar(one.service, one.node): one.since for one in hosting}
        return Mesh(
            facts,
            {one: min(at, setups.first(one) or at) for one, at in began.items()},
            setups,
            frozenset((one.name, call.service) for one in desired.services.values() for call in one.calls),
            _alone((one.address, one.node) for one in agents),
            _alone((one.ports.mesh, one.name) for one in desired.services.values() if one.ports),
            {str(one.spiffe_id): one.name for one in desired.services.values()},
            _alone((one.service, one.node) for one in facts),
        )

    async def _own(self, since: datetime) -> Iterable[Rollout]:
        applied = [
            Rollout(f"revision {one.number}", "", one.applied_at)
            for one in await self._records.revisions(MOST_CHANGES)
            if one.applied_at >= since
        ]
        steps = [step for one in await self._records.root_changes(MOST_CHANGES) for step in _steps(one)]
        return [*applied, *(one for one in steps if one.started >= since)]


def ranking_of(
    mesh: Mesh,
    records: Sequence[Stored],
    completed: Mapping[tuple[NodeName, ServiceName, Side], int],
    changes: Sequence[Rollout],
    window: Window,
) -> Ranking:
    return ranked(
        subjects_of(mesh, records, completed, window.ends), sorted(changes, key=lambda one: one.started), window
    )


def _steps(change: RootChange) -> Iterator[Rollout]:
    name = f"root change {change.number}"
    steps = (
        ("began", change.started_at),
        ("new root published", change.published_at),
        ("issuers replaced", change.replaced_at),
        ("old root left", change.left_at),
    )
    for what, at in steps:
        if at is not None:
            yield Rollout(name, what, at)


def _of_others(told: Sequence[ToldRollout], mesh: Mesh, since: datetime) -> Iterator[Rollout]:
    for one in told:
        if max(one.started, one.ended or one.started) >= since:
            touched = frozenset(str(sidecar) for sidecar in mesh.facts if _touches(one, sidecar))
            if touched:  # of what is not in the mesh, nothing here can have failed
                yield Rollout(
                    f"{one.told_by} {one.reference}", one.version, one.started, one.ended, {"sidecar": touched}
                )


def _touches(rollout: ToldRollout, sidecar: Sidecar) -> bool:
    """Where both are named, those services on those nodes."""
    if rollout.services and sidecar.service not in rollout.services:
        return False
    return not rollout.nodes or sidecar.node in rollout.nodes


def _version_of(sidecar: Sidecar, told: Sequence[ToldRollout]) -> str:
    """By the newest rollout that it is part of."""
    return next((one.version for one in told if _touches(one, sidecar)), "")


def _clock_of(skew: Skew | None) -> str:
    if skew is None:
        return ""
    return f"off by more than {WORTH_SAYING.total_seconds():.0f} s" if skew.worth_saying else "right"


def _alone(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, Value]:
    """Keys that stand for one value only."""
    found: dict[Key, set[Value]] = defaultdict(set)
    for key, value in pairs:
        found[key].add(value)
    return {key: next(iter(values)) for key, values in found.items() if len(values) == 1}
