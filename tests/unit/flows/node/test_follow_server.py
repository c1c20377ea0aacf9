"""An agent holds exactly what its server means, says so, and loses no report while the server is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from tests.kit.clock import VirtualClock
from trustplane.fault import Fault, Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.node.follow_server import FollowServer, Outbox
from trustplane.flows.node.node_link import (
    HoldingsReport,
    HostingReport,
    LeafIssued,
    LeafOrder,
    Link,
    Report,
    ViewHeld,
    ViewUpdate,
)
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.registry.model import KeyKind
from trustplane.registry.records import Holding
from trustplane.registry.view import Entry, NodeView
from trustplane.registry.view_change import difference, digest
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.spiffe.selectors import Selector
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.verdict.delivery import Parcel

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NODE = NodeName("node-a")


def view(*names: str) -> NodeView:
    entries = tuple(
        Entry(
            ServiceName("shop", name),
            SpiffeId.parse(f"spiffe://acme.example/ns/shop/sa/{name}"),
            frozenset({Selector("unix:path", f"/bin/{name}")}),
            KeyKind.P256,
            "standard@1",
        )
        for name in sorted(names)
    )
    return NodeView(1, entries, (), ())


def whole(number: int, wanted: NodeView) -> ViewUpdate:
    return ViewUpdate(number, digest(wanted), wanted, None)


def changed(number: int, old: NodeView, wanted: NodeView) -> ViewUpdate:
    return ViewUpdate(number, digest(wanted), None, difference(old, wanted))


@dataclass
class ScriptedLink:
    """A server that says what it is told to, remembers what it hears, and then goes away or stays."""

    updates: Sequence[ViewUpdate]
    stays: bool = True
    held_at_hello: list[str] = field(default_factory=list)
    heard: list[Report] = field(default_factory=list)

    async def follow(self, held_digest: str, reports: AsyncIterator[Report]) -> AsyncGenerator[ViewUpdate, None]:
        self.held_at_hello.append(held_digest)
        listening = asyncio.create_task(self._listen(reports))
        try:
            for update in self.updates:
                yield update
                await asyncio.sleep(0)
            if self.stays:
                await asyncio.Event().wait()
        finally:
            listening.cancel()

    async def _listen(self, reports: AsyncIterator[Report]) -> None:
        async for report in reports:
            self.heard.append(report)

    async def renew_node(self, csr: bytes) -> tuple[X509Svid, datetime, bytes]:
        raise AssertionError(csr)

    async def issue(self, orders: Sequence[LeafOrder]) -> Sequence[LeafIssued | Fault]:
        raise AssertionError(orders)

    async def mint(self, spiffe_id: SpiffeId, audience: Sequence[str]) -> str:
        raise AssertionError((spiffe_id, audience))

    async def probe(self, root_key_id: str, csr: bytes) -> X509Svid:
        raise AssertionError((root_key_id, csr))

    async def deliver_handshakes(self, parcel: HandshakeParcel) -> int:
        raise AssertionError(parcel)

    async def deliver(self, parcel: Parcel) -> int:
        raise AssertionError(parcel)


class Bench:
    """A follower with the links it will be given, one after the other."""

    def __init__(self, *links: ScriptedLink | Unavailable) -> None:
        self._links = list(links)
        self.views: Feed[NodeView | None] = Feed(None)
        self.outbox = Outbox()
        self.clock = VirtualClock(NOW)
        self.follower = FollowServer(self, self.views, self.outbox, self.clock)

    async def dial(self) -> Link:
        if not self._links:
            await asyncio.Event().wait()
        link = self._links.pop(0)
        if isinstance(link, Unavailable):
            raise link
        return link

    async def drop(self, link: Link) -> None:
        """The links of this bench end by themselves."""

    async def until(self, reached: Callable[[], bool]) -> None:
        running = asyncio.create_task(self.follower.run(Random(7)))
        try:
            async with asyncio.timeout(10):
                while not reached():
                    await self.clock.advance(timedelta(seconds=1))
                    await asyncio.sleep(0)
        finally:
            running.cancel()


def away() -> Unavailable:
    return Unavailable(code="server-away", what="no server", why="it is down", fix="wait")


def holding(thing: str, held: str) -> Holding:
    return Holding(NODE, "sidecar shop/web", thing, "d1", held, "", NOW)


def test_a_difference_is_applied_to_what_is_held_and_acknowledged() -> None:
    old, new = view("web"), view("web", "ledger")
    link = ScriptedLink([whole(1, old), changed(2, old, new)])
    bench = Bench(link)
    asyncio.run(bench.until(lambda: ViewHeld(2, digest(new)) in link.heard))
    assert bench.views.value == new


def test_a_view_that_does_not_have_its_digest_is_not_held_and_asked_for_whole() -> None:
    old, new = view("web"), view("web", "ledger")
    wrong = replace(changed(2, old, new), view_digest=digest(view("other")))
    first = ScriptedLink([whole(1, old), wrong])
    second = ScriptedLink([whole(1, new)])
    bench = Bench(first, second)
    asyncio.run(bench.until(lambda: bench.views.value == new))
    assert first.held_at_hello == [""]
    assert second.held_at_hello == [""], "after an incoherent view the agent asks for a full one"


def test_an_agent_that_comes_back_says_what_it_holds() -> None:
    first = ScriptedLink([whole(1, view("web"))], stays=False)
    second = ScriptedLink([])
    bench = Bench(first, away(), second)
    asyncio.run(bench.until(lambda: bool(second.held_at_hello)))
    assert second.held_at_hello == [digest(view("web"))]
    assert bench.views.value == view("web")


def test_reports_made_while_the_server_is_away_reach_it_later() -> None:
    link = ScriptedLink([whole(1, view("web"))])
    bench = Bench(away(), away(), link)
    bench.outbox.hold(holding("listener inbound", "d0"))
    bench.outbox.hold(holding("listener inbound", "d1"))
    bench.outbox.host(frozenset({ServiceName("shop", "web")}))
    expected = HoldingsReport((holding("listener inbound", "d1"),), complete=True)
    asyncio.run(bench.until(lambda: expected in link.heard))
    assert HostingReport(frozenset({ServiceName("shop", "web")})) in link.heard


def test_everything_current_is_said_again_to_the_next_server() -> None:
    first = ScriptedLink([whole(1, view("web"))], stays=False)
    second = ScriptedLink([])
    bench = Bench(first, second)
    bench.outbox.hold(holding("listener inbound", "d1"))
    expected = HoldingsReport((holding("listener inbound", "d1"),), complete=True)
    asyncio.run(bench.until(lambda: expected in second.heard))
    assert expected in second.heard


def test_a_participant_that_is_gone_is_not_reported_again() -> None:
    outbox = Outbox()
    outbox.hold(holding("listener inbound", "d1"))
    outbox.forget("sidecar shop/web")
    assert outbox.holdings == ()


def test_a_participant_that_goes_while_connected_is_reported_gone() -> None:
    link = ScriptedLink([whole(1, view("web"))])
    bench = Bench(link)
    bench.outbox.hold(holding("listener inbound", "d1"))
    asyncio.run(bench.until(lambda: ViewHeld(1, digest(view("web"))) in link.heard))
    bench.outbox.forget("sidecar shop/web")
    assert list(bench.outbox.take()) == [HoldingsReport((), gone=("sidecar shop/web",))]


def test_a_participant_that_went_and_came_back_holds_nothing_of_before() -> None:
    outbox = Outbox()
    outbox.begin()
    outbox.hold(holding("listener inbound", "d1"))
    outbox.take()
    outbox.forget("sidecar shop/web")
    outbox.hold(holding("cluster x", "d1"))
    assert outbox.take() == [HoldingsReport((holding("cluster x", "d1"),), gone=("sidecar shop/web",))]


def test_a_stream_of_before_takes_no_report_from_the_next() -> None:
    async def play() -> None:
        outbox = Outbox()
        old = outbox.reports()
        await anext(old)
        new = outbox.reports()
        await anext(new)
        waiting = asyncio.ensure_future(anext(old, None))
        outbox.hold(holding("listener inbound", "d1"))
        async with asyncio.timeout(10):
            assert await waiting is None
            assert await anext(new) == HoldingsReport((holding("listener inbound", "d1"),))

    asyncio.run(play())
