"""One xDS stream, from the peer's attestation to its end.

The peer is attested once, when the stream opens; the port decides what it is entitled to, each time anew. An offer
reaches the proxy only if this Envoy understands all of it, and a sidecar only if its build was tried; otherwise that is
reported and the offer before it stays.
What the proxy answers is reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message

from trustplane.fault import Fault, Refused
from trustplane.spiffe.selectors import Selector
from trustplane.wire.xds_messages import XdsMessages
from trustplane.xds.builds import require_tried
from trustplane.xds.conversation import (
    Conversation,
    Dialect,
    Effect,
    Ended,
    Event,
    Held,
    Offered,
    Requested,
    RetryDue,
    Unknown,
)
from trustplane.xds.guards import Published
from trustplane.xds.resources import Kind, Offer
from trustplane.xds.topic import Answer

RETRY_REFUSED_AFTER = timedelta(seconds=15)
FIRST_REQUEST_WITHIN = timedelta(seconds=10)
MAX_NODE_CHARACTERS = 200
_numbers = count(1)  # of streams, never the same twice


class Peers(Protocol):
    async def selectors(self, peer: str) -> frozenset[Selector]:
        """What is attested of the process behind gRPC's `context.peer()`; refused if nothing can be."""
        ...


class Offers(Protocol):
    """What each proxy should hold now. `None`: known, but not ready yet. Refused: not entitled."""

    def sidecar(self, selectors: frozenset[Selector], node_id: str) -> Published | None: ...

    def secrets(self, selectors: frozenset[Selector]) -> Published | None: ...

    async def changed(self, since: int) -> int:
        """The number of the newest change, as soon as it is above `since`. The first is 1."""
        ...


class UptakeSink(Protocol):
    """What becomes known of a proxy while it has streams. `managed`: a sidecar of ours, known by its service's name."""

    def opened(self, participant: str, *, managed: bool) -> None: ...

    def report(self, participant: str, held: Held) -> None: ...

    def closed(self, participant: str, *, managed: bool) -> None: ...


class Proxies(Protocol):
    """Who watches that a sidecar still listens. A stream is `peer`'s, who says where its `admin` is."""

    def attached(self, service: str, stream: int, peer: str, admin: str, build: tuple[int, ...]) -> None: ...

    def on_its_way(self, stream: int, answers: frozenset[str]) -> None:
        """What was sent on that stream and is not answered yet."""
        ...

    def refused(self, stream: int) -> None:
        """It was said there that something is not taken up."""
        ...

    def detached(self, stream: int) -> None: ...


class _Nobody:
    def attached(self, service: str, stream: int, peer: str, admin: str, build: tuple[int, ...]) -> None:
        """Nobody watches."""

    def on_its_way(self, stream: int, answers: frozenset[str]) -> None:
        """Nobody watches."""

    def refused(self, stream: int) -> None:
        """Nobody watches."""

    def detached(self, stream: int) -> None:
        """Nobody watches."""


@dataclass(frozen=True, slots=True)
class XdsPorts:
    peers: Peers
    offers: Offers
    uptake: UptakeSink
    proxies: Proxies = field(default_factory=_Nobody)


class Stream:
    """One stream: its requests, changes of what is offered and retries, fed to its conversation one at a time."""

    def __init__(
        self,
        ports: XdsPorts,
        messages: XdsMessages,
        dialect: Dialect,
        only: Kind | None,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        self._ports = ports
        self._messages = messages
        self._dialect = dialect
        self._only = only
        self._context = context
        self._conversation = Conversation(dialect, Unknown.WAITS if only is None else Unknown.ENDS)
        self._node = self._participant = ""
        self._build: tuple[int, int, int] | None = None
        self._number = next(_numbers)
        self._turn = asyncio.Lock()

    async def run(self, requests: AsyncIterator[Message]) -> None:
        selectors = await self._ports.peers.selectors(self._context.peer())
        first = await _first(requests)
        if first is None:
            return
        self._node = self._messages.node_of(first)[:MAX_NODE_CHARACTERS]
        self._build = self._messages.build_of(first)
        managed = self._only is None
        # Only a managed sidecar's name was checked; what another Envoy calls itself proves nothing.
        self._participant = self._node if managed else f"{self._context.peer()} {self._node!r}"
        look = self._look(selectors)
        look()  # refuses a peer that is not entitled before it is told anything
        self._ports.uptake.opened(self._participant, managed=managed)
        if managed:
            admin = self._messages.admin_of(first)
            self._ports.proxies.attached(self._node, self._number, self._context.peer(), admin, self._build or ())
        try:
            async with asyncio.TaskGroup() as tasks:
                followers = [tasks.create_task(self._follow(look)), tasks.create_task(self._retry())]
                await self._feed(self._messages.request(first, self._dialect, self._only))
                async for message in requests:
                    await self._feed(self._messages.request(message, self._dialect, self._only))
                for one in followers:
                    one.cancel()
        except BaseExceptionGroup as group:
            raise _cause(group) from None
        finally:
            self._ports.uptake.closed(self._participant, managed=managed)
            self._ports.proxies.detached(self._number)

    def _look(self, selectors: frozenset[Selector]) -> Callable[[], Published | None]:
        offers = self._ports.offers
        if self._only is None:
            return lambda: offers.sidecar(selectors, self._node)
        return lambda: offers.secrets(selectors)

    async def _follow(self, look: Callable[[], Published | None]) -> None:
        seen = 0
        while True:
            seen = await self._ports.offers.changed(seen)
            found = look()
            if found is not None and self._understood(found.offer):
                await self._feed(Offered(found.offer))

    async def _retry(self) -> None:
        while True:
            await asyncio.sleep(RETRY_REFUSED_AFTER.total_seconds())
            if self._conversation.refusing:
                await self._feed(RetryDue())

    def _understood(self, offer: Offer) -> bool:
        """An offer this Envoy would not understand is reported, and the one before it stays."""
        understood = True
        for one in offer:
            try:
                if self._only is None:
                    require_tried(self._build)
                self._messages.encoded(one)
            except Refused as refusal:
                thing = f"{one.kind.name.lower()}/{one.name}"
                self._ports.uptake.report(self._participant, Held(thing, one.known_as, "", str(refusal)))
                understood = False
        return understood

    async def _feed(self, event: Event) -> None:
        async with self._turn:  # writes to one stream must not overlap, nor be reordered
            effects = self._conversation.feed(event)
            if isinstance(event, Requested) and event.refusal is not None:
                self._ports.proxies.refused(self._number)
            # Before anything is written: to a proxy that does not read, writing never ends.
            self._ports.proxies.on_its_way(self._number, self._conversation.on_its_way)
            for effect in effects:
                await self._do(effect)

    async def _do(self, effect: Effect) -> None:
        match effect:
            case Answer():
                await self._context.write(self._messages.response(effect, self._dialect))
            case Held():
                self._ports.uptake.report(self._participant, effect)
            case Ended():
                raise effect.fault


async def _first(requests: AsyncIterator[Message]) -> Message | None:
    try:
        async with asyncio.timeout(FIRST_REQUEST_WITHIN.total_seconds()):
            return await anext(requests, None)
    except TimeoutError as error:
        raise Refused(
            code="xds-silent-stream",
            what="the stream was opened and nothing was asked",
            why=f"the first request must come within {FIRST_REQUEST_WITHIN.seconds} seconds",
            fix="send a discovery request",
        ) from error


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """A task group wraps what ended it; the peer is told the first fault in it."""
    found: BaseException = group.subgroup(Fault) or group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
