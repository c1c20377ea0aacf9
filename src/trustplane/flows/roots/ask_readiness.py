"""Asking a fleet that runs who would hold up a change of root, without changing anything.

Everyone's acknowledgements are read, and each sidecar is shown this server's own identity in a handshake from here. A
sidecar that cannot be reached from here proves nothing: in a change its agent knocks, from its own node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from trustplane.clock import Clock
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.roots.survey_trust import Surveyed
from trustplane.registry.model import DesiredState
from trustplane.registry.records import Agent, Hosting
from trustplane.rotation.root_change import Participant, RootChange, under_way
from trustplane.rotation.root_gates import Waiting
from trustplane.rotation.root_readiness import blocking, question
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.trust.authority import Authority, AuthorityId
from trustplane.trust.lifecycle import root_in_use

AT_ONCE = 32
LIMIT = timedelta(seconds=20)  # for all of them

Knock = Callable[[str, int, KeyedSvid, Bundle, SpiffeId], Awaitable[None]]


class Records(Protocol):
    async def authorities(self) -> Sequence[Authority]: ...

    async def root_changes(self, limit: int) -> Sequence[RootChange]: ...

    async def agents(self) -> Sequence[Agent]: ...

    async def hosting(self) -> Sequence[Hosting]: ...


class Survey(Protocol):
    async def look(self, change: RootChange | None) -> Surveyed: ...


@dataclass(frozen=True, slots=True)
class Own:
    """What this server knows and shows: its identity, the bundle it stands by, what is declared."""

    identity: Callable[[], KeyedSvid | None]
    bundle: Callable[[], Bundle]
    declared: Callable[[], DesiredState]


@dataclass(frozen=True, slots=True)
class Unreached:
    participant: Participant
    why: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """`let_in`: sidecars that were asked and accepted. `unreached`: those that nobody could ask from here."""

    root: AuthorityId
    participants: int
    let_in: int
    blocking: tuple[Waiting, ...]
    unreached: tuple[Unreached, ...]


@dataclass(frozen=True, slots=True)
class _Address:
    participant: Participant
    host: str
    port: int
    expected: SpiffeId


class AskReadiness:
    def __init__(self, records: Records, survey: Survey, own: Own, knock: Knock, clock: Clock) -> None:
        self._records = records
        self._survey = survey
        self._own = own
        self._knock = knock
        self._clock = clock

    async def ask(self) -> Readiness:
        newest = next(iter(await self._records.root_changes(1)), None)
        if newest is not None and not newest.phase.is_over:
            raise under_way(newest.number)
        root = root_in_use(await self._records.authorities())
        identity = self._own.identity()
        if root is None or identity is None:
            raise Unavailable(
                code="server-cannot-ask",
                what="this server has nothing to show to a sidecar yet",
                why="it has no identity below the root that signs; it was started just now, or its root has expired",
                fix="look at trustplane status, and ask again",
            )
        said, unreached = await self._asked(identity)
        at = self._clock.now()
        survey = (await self._survey.look(question(root.id, at))).survey
        return Readiness(
            root=root.id,
            participants=len(survey.seen),
            let_in=sum(not one for one in said.values()),
            blocking=blocking(survey, root.id, said, at),
            unreached=tuple(unreached),
        )

    async def _asked(self, identity: KeyedSvid) -> tuple[dict[Participant, str], list[Unreached]]:
        said: dict[Participant, str] = {}
        unreached: list[Unreached] = []
        turns = asyncio.Semaphore(AT_ONCE)
        give_up = self._clock.now() + LIMIT

        async def ask(one: _Address) -> None:
            async with turns:
                if self._clock.now() >= give_up:
                    unreached.append(Unreached(one.participant, f"{LIMIT.seconds} seconds were not enough for all"))
                    return
                try:
                    await self._knock(one.host, one.port, identity, self._own.bundle(), one.expected)
                except Refused as refused:
                    said[one.participant] = _words(refused)
                except Unavailable as fault:
                    unreached.append(Unreached(one.participant, _words(fault)))
                else:
                    said[one.participant] = ""

        async with asyncio.TaskGroup() as tasks:
            for one in await self._addresses():
                tasks.create_task(ask(one))
        return said, sorted(unreached, key=lambda one: one.participant)

    async def _addresses(self) -> list[_Address]:
        hosts = {one.node: one.address for one in await self._records.agents() if not one.banned}
        return [
            one
            for hosting in await self._records.hosting()
            if hosting.node in hosts
            for one in self._address(hosting, hosts[hosting.node])
        ]

    def _address(self, hosting: Hosting, host: str) -> Iterator[_Address]:
        service = self._own.declared().services.get(hosting.service)
        if service is not None and service.ports is not None:
            name = Participant(f"sidecar {hosting.service} on {hosting.node}")
            yield _Address(name, host, service.ports.mesh, service.spiffe_id)


def _words(fault: Fault) -> str:
    return f"{fault.finding.what}: {fault.finding.why}"
