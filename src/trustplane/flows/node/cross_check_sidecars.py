"""Watching that the sidecars of this node use what they acknowledged, and still listen.

Each sidecar's administration is read soon after it took up a secret, and every now and then; several at once, each for
a bounded time. What contradicts an acknowledgement at two looks, and whoever lives and listens no more, is told to
the server as part of what that sidecar holds. A sidecar whose administration may not be read is not compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.registry.records import Holding
from trustplane.spiffe.names import ServiceName
from trustplane.xds.conversation import Held
from trustplane.xds.cross_check import (
    LISTENS,
    PROXY,
    Acknowledged,
    Shown,
    Signs,
    acknowledged,
    compared,
    contradictions,
    listens,
)
from trustplane.xds.resources import Offer
from trustplane.xds.unsaid_rejections import UPDATES, UnsaidRejections

STEP = timedelta(milliseconds=500)
AGAIN = timedelta(seconds=10)  # between two looks at a sidecar of which there is no news
RETRY = timedelta(seconds=3)  # and at one that did not answer
LATE = timedelta(seconds=5)  # whoever slept this long must not take others for silent
AT_ONCE = 4
_OF_NO_SECRET = frozenset({LISTENS, UPDATES})


class Process(Protocol):
    """The Envoy behind a stream."""

    @property
    def can_be_asked(self) -> bool: ...

    def alive(self) -> bool: ...

    def is_stopped(self) -> bool: ...

    async def look(self) -> Shown: ...

    def close(self) -> None: ...


class Uptake(Protocol):
    def holdings_of(self, service: ServiceName) -> tuple[Holding, ...]: ...

    def report(self, participant: str, held: Held) -> None: ...


@dataclass(slots=True)
class _Watched:
    """One sidecar: the process of its newest stream, and since when each sign is seen."""

    service: ServiceName
    process: Process
    build: tuple[int, ...] = ()
    streams: set[int] = field(default_factory=set)
    sent: dict[tuple[int, str], datetime] = field(default_factory=dict)  # and not answered yet
    streamless: datetime | None = None
    unconnected: datetime | None = None
    mute: datetime | None = None
    compared: Acknowledged | None = None
    suspected: tuple[Acknowledged, dict[str, str]] | None = None
    looked_at: datetime | None = None
    rejections: UnsaidRejections = field(default_factory=UnsaidRejections)
    unreadable: str = ""
    silence: str = ""

    def signs(self) -> Signs:
        unanswered = min(self.sent.values(), default=None)
        seen = Signs(unanswered, self.streamless, self.unconnected, self.mute)
        return replace(seen, is_stopped=self.process.is_stopped()) if seen != Signs() else seen

    def begin_anew(self, at: datetime) -> None:
        """What was seen before we slept says nothing of now."""
        self.sent = dict.fromkeys(self.sent, at)
        self.streamless = at if self.streamless else None
        self.unconnected = self.mute = None


class CrossCheckSidecars:
    """Satisfies `wire.xds_stream.Proxies`."""

    def __init__(
        self,
        offers: Callable[[ServiceName], Offer | None],
        uptake: Uptake,
        process: Callable[[str, str], Process | None],
        clock: Clock,
    ) -> None:
        """`process` finds who is behind a peer's name, with where it says its administration is; None: it is gone."""
        self._offers = offers
        self._uptake = uptake
        self._process = process
        self._clock = clock
        self._watched: dict[ServiceName, _Watched] = {}
        self._services: dict[int, ServiceName] = {}
        self._log = structlog.get_logger("cross-check")
        self.failed_looks = 0

    def attached(self, service: str, stream: int, peer: str, admin: str, build: tuple[int, ...] = ()) -> None:
        """The newest process of a service is the one that is watched: the one before it is on its way out."""
        name = ServiceName.parse(service)
        process = self._process(peer, admin)
        if process is None:
            return
        before = self._watched.get(name)
        if before is not None:
            before.process.close()
        self._watched[name] = _Watched(name, process, build, {stream}, unreadable=before.unreadable if before else "")
        self._services[stream] = name

    def on_its_way(self, stream: int, answers: frozenset[str]) -> None:
        one = self._of(stream)
        if one is not None:
            at = self._clock.now()
            others = {key: since for key, since in one.sent.items() if key[0] != stream}
            one.sent = others | {(stream, each): one.sent.get((stream, each), at) for each in answers}

    def refused(self, stream: int) -> None:
        one = self._of(stream)
        if one is not None:
            one.rejections.refused()

    def detached(self, stream: int) -> None:
        one = self._of(stream)
        self._services.pop(stream, None)
        if one is not None:
            one.streams.discard(stream)
            one.sent = {key: since for key, since in one.sent.items() if key[0] != stream}
            one.streamless = None if one.streams else self._clock.now()

    def lives(self, service: ServiceName) -> bool:
        """Whether the process of that sidecar is still there, with a stream or without."""
        one = self._watched.get(service)
        return one is not None and one.process.alive()

    def process(self, service: ServiceName) -> Process | None:
        """Of its newest stream."""
        one = self._watched.get(service)
        return one.process if one is not None else None

    def build(self, service: ServiceName) -> tuple[int, ...]:
        """Of its Envoy, as that says it; empty is not known."""
        one = self._watched.get(service)
        return one.build if one is not None else ()

    def doubted(self, *, silent: bool) -> int:
        """How many have stopped listening; otherwise, how many contradict themselves."""
        if silent:
            return sum(bool(one.silence) for one in self._watched.values())
        return sum(
            bool((one.suspected and one.compared == one.suspected[0]) or one.rejections.held().refusal)
            for one in self._watched.values()
        )

    async def run(self) -> None:
        at = self._clock.now()
        while True:
            await self._clock.sleep(STEP)
            before, at = at, self._clock.now()
            if at - before > LATE:
                for one in self._watched.values():
                    one.begin_anew(at)
            await self.look()

    async def look(self) -> None:
        """Once at everyone of whom there is news, or has been none for a while."""
        self._let_go()
        due = [(one, said) for one in self._watched.values() if self._is_due(one, said := self._said(one))]
        for start in range(0, len(due), AT_ONCE):
            await asyncio.gather(*(self._look_at(one, said) for one, said in due[start : start + AT_ONCE]))
        at = self._clock.now()
        for one in self._watched.values():
            self._listen(one, at)

    def _of(self, stream: int) -> _Watched | None:
        service = self._services.get(stream)
        one = self._watched.get(service) if service else None
        return one if one is not None and stream in one.streams else None

    def _said(self, one: _Watched) -> Acknowledged | None:
        offer = self._offers(one.service)
        held = {told.thing: told.held for told in self._uptake.holdings_of(one.service)}
        return acknowledged(offer, held) if offer else None

    def _is_due(self, one: _Watched, said: Acknowledged | None) -> bool:
        if not one.process.can_be_asked:
            return False
        if one.looked_at is None:
            return True
        wants_more = one.rejections.is_suspicious or (said is not None and said != one.compared)
        wait = RETRY if one.mute else STEP if wants_more and not one.unreadable else AGAIN
        return self._clock.now() - one.looked_at >= wait

    async def _look_at(self, one: _Watched, said: Acknowledged | None) -> None:
        try:
            shown = await one.process.look()
        except (Refused, Unavailable) as fault:
            self._could_not(one, fault)
            return
        finally:
            one.looked_at = self._clock.now()
        one.mute, one.unreadable = None, ""
        one.unconnected = None if shown.is_connected else one.unconnected or self._clock.now()
        one.rejections.look(shown.subscriptions, (each.thing for each in self._uptake.holdings_of(one.service)))
        self._tell(one.service, one.rejections.held())
        if said is not None and said == self._said(one):  # it took up nothing else meanwhile
            self._compare(one, said, contradictions(said, shown))

    def _compare(self, one: _Watched, said: Acknowledged, found: dict[str, str]) -> None:
        """What is seen once may be a change half way through."""
        is_seen_again = one.suspected == (said, found)
        one.suspected = (said, found) if found else None
        if found and not is_seen_again:
            one.compared = None
            return
        one.compared = said
        for held in compared(said, found):
            self._tell(one.service, held)

    def _could_not(self, one: _Watched, fault: Fault) -> None:
        self.failed_looks += 1
        if isinstance(fault, Unavailable):
            one.mute = one.mute or self._clock.now()
        elif one.unreadable != fault.finding.why:
            one.unreadable = fault.finding.why
            self._log.warning("not compared", sidecar=str(one.service), code=fault.code, why=fault.finding.why)

    def _tell(self, service: ServiceName, held: Held) -> None:
        """What was told already is no news."""
        told = {one.thing: one for one in self._uptake.holdings_of(service)}
        before = told.get(held.thing)
        if before is None or (before.desired, before.held, before.refusal) != (held.desired, held.held, held.refusal):
            self._uptake.report(str(service), held)
            if held.refusal:
                self._log.warning("in doubt", sidecar=str(service), thing=held.thing, why=held.refusal)
            elif before and before.refusal:
                self._log.info("no longer in doubt", sidecar=str(service), thing=held.thing)

    def _listen(self, one: _Watched, at: datetime) -> None:
        one.silence = one.signs().silence(at) if one.process.alive() else ""
        self._tell(one.service, listens(one.silence))
        for thing in _outdated(self._uptake.holdings_of(one.service)):
            self._uptake.report(str(one.service), Held(thing, "", ""))

    def _let_go(self) -> None:
        for service, one in list(self._watched.items()):
            if not one.streams and not one.process.alive():
                one.process.close()
                del self._watched[service]


def _outdated(told: Iterable[Holding]) -> list[str]:
    """What was compared of secrets that are not asked for any more."""
    known = {one.thing for one in told if one.held or one.desired}
    compared_before = {thing for thing in known if thing.startswith(PROXY) and thing not in _OF_NO_SECRET}
    return sorted(thing for thing in compared_before if thing.removeprefix(PROXY) not in known)
