"""What the sidecars of this node hold, and therefore which services can be reached here.

A sidecar counts as hosting its service once it took up the inbound listener, and for a while after its stream ended:
an agent that restarts must not make its node's services unreachable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault
from trustplane.flows.node.follow_server import Outbox
from trustplane.registry.records import Holding
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.xds.conversation import Held
from trustplane.xds.cross_check import PROXY

INBOUND = "listener/inbound"
CANDIDATE = "candidate"  # what an agent says of one that it could not give to its sidecar
LINGER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Attached:
    """A sidecar this agent has seen. `ended_at` is set while it has no stream."""

    service: ServiceName
    since: datetime
    streams: int = 1
    ended_at: datetime | None = None
    listening: bool = False
    refusal: str = ""


class HostingFile(Protocol):
    """The services hosted, kept over a restart of the agent."""

    def load(self) -> frozenset[ServiceName]: ...

    def save(self, services: frozenset[ServiceName]) -> None: ...


def _nobody(_service: ServiceName) -> bool:
    return False


class SidecarUptake:
    def __init__(self, node: NodeName, outbox: Outbox, file: HostingFile, clock: Clock) -> None:
        self._node = node
        self._outbox = outbox
        self._file = file
        self._clock = clock
        at = clock.now()
        # As if their streams had ended just now: they have until the end of the linger to come back.
        before = file.load()
        self._sidecars = {service: Attached(service, at, 0, at, listening=True) for service in before}
        outbox.host(before)  # also when it is nothing: the server may remember what was lost here
        self._holdings: dict[tuple[str, str], Holding] = {}
        self._log = structlog.get_logger("sidecars")

    @property
    def sidecars(self) -> tuple[Attached, ...]:
        return tuple(self._sidecars.values())

    @property
    def listening(self) -> frozenset[ServiceName]:
        """Those that took up their inbound listener and have a stream."""
        return frozenset(one.service for one in self.sidecars if one.listening and one.streams)

    def holdings_of(self, service: ServiceName) -> tuple[Holding, ...]:
        participant = _participant(str(service))
        return tuple(one for key, one in self._holdings.items() if key[0] == participant)

    def opened(self, participant: str, *, managed: bool) -> None:
        if not managed:
            return
        service = ServiceName.parse(participant)
        known = self._sidecars.get(service)
        streams = known.streams + 1 if known else 1
        since = known.since if known and known.streams else self._clock.now()
        listening = known.listening if known else False
        self._sidecars[service] = Attached(service, since, streams, None, listening)

    def closed(self, participant: str, *, managed: bool) -> None:
        if managed:
            self._change(ServiceName.parse(participant), self._without_stream)
        else:
            self._forget(_participant(participant))

    def report(self, participant: str, held: Held) -> None:
        key = (_participant(participant), held.thing)
        before = self._holdings.get(key)
        same = before is not None and (before.held, before.refusal) == (held.held, held.refusal)
        since = before.since if before and same else self._clock.now()
        refusal = held.refusal[:2000]
        self._holdings[key] = Holding(self._node, *key, held.desired, held.held, refusal, since)
        self._outbox.hold(self._holdings[key])
        if refusal and not same and not held.thing.startswith(PROXY):
            self._log.warning("refused by its proxy", sidecar=participant, thing=held.thing, refusal=refusal)
        if held.thing == INBOUND:
            service = ServiceName.parse(participant)
            self._change(service, lambda one: replace(one, listening=bool(held.held)))
            self._publish()

    def refused(self, service: ServiceName, fault: Fault) -> None:
        """What was computed for this sidecar did not pass the guards."""
        known = self._sidecars.get(service)
        if known is None or known.refusal != str(fault):
            self._log.warning("configuration held back", sidecar=str(service), code=fault.code, what=fault.finding.what)
        self._change(service, lambda one: replace(one, refusal=str(fault)))

    def candidate_refused(self, service: ServiceName, known_as: str, fault: Fault) -> None:
        """Its sidecar goes on with what is enforced, and judges by no candidate."""
        self.report(str(service), Held(CANDIDATE, known_as, "", str(fault)))

    async def run(self, lives: Callable[[ServiceName], bool] = _nobody) -> None:
        """Let go of sidecars whose stream ended a while ago.

        One whose process `lives` is no longer reached by callers, since it cannot be told anything, but goes on holding
        what it held: it has only stopped listening.
        """
        while True:
            await self._clock.sleep(LINGER / 6)
            at = self._clock.now()
            for one in self.sidecars:
                if one.ended_at and at - one.ended_at >= LINGER:
                    self._change(one.service, lambda each: replace(each, listening=False))
                    if not lives(one.service):
                        del self._sidecars[one.service]
                        self._forget(_participant(str(one.service)))
            self._publish()

    def _without_stream(self, one: Attached) -> Attached:
        streams = max(one.streams - 1, 0)
        return replace(one, streams=streams, ended_at=None if streams else self._clock.now())

    def _change(self, service: ServiceName, change: Callable[[Attached], Attached]) -> None:
        if service in self._sidecars:
            self._sidecars[service] = change(self._sidecars[service])

    def _forget(self, participant: str) -> None:
        self._outbox.forget(participant)
        self._holdings = {key: one for key, one in self._holdings.items() if key[0] != participant}

    def _publish(self) -> None:
        hosting = frozenset(one.service for one in self.sidecars if one.listening)
        if hosting != self._outbox.hosting:
            self._outbox.host(hosting)
            self._file.save(hosting)


def _participant(name: str) -> str:
    """Our sidecars are known by their service; any other Envoy by its connection."""
    return f"envoy {name}" if name.startswith(("unix:", "unix-abstract:")) else f"sidecar {name}"
