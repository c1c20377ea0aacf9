"""From a renewal on a node to each of its listeners: what has not changed for one of them is not said to it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Self

from tests.kit.generations import Generations
from tests.kit.node_line import away
from tests.kit.sidecars import HERE
from tests.unit.flows.node.test_keep_leaves import API, SECOND, WEB, Bench
from tests.unit.flows.node.test_serve_identities import FakeCaller, nothing_more
from trustplane.fault import Fault
from trustplane.flows.node.offer_configuration import OfferConfiguration
from trustplane.flows.node.serve_identities import ServeIdentities
from trustplane.registry.view import Entry, NodeView
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName
from trustplane.spiffe.selectors import Selector
from trustplane.xds.conversation import Conversation, Dialect, Offered, Requested
from trustplane.xds.resources import Kind
from trustplane.xds.topic import Answer


def only_for(uid: int, entry: Entry) -> Entry:
    return replace(entry, selectors=frozenset({Selector("unix:uid", str(uid))}))


WEB_1, API_2 = only_for(1, WEB), only_for(2, API)


class Wire:
    """Counts what is published for this node."""

    def __init__(self, bench: Bench) -> None:
        self.moves = 0
        self._bench = bench
        self._following = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for _ in self._bench.identities.values():
            self.moves += 1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)


class NoMinter:
    async def mint(self, spiffe_id: SpiffeId, audience: object) -> str:
        raise AssertionError((spiffe_id, audience))


class NoRefusals:
    def refused(self, service: ServiceName, fault: Fault) -> None:
        raise AssertionError((service, fault))

    def candidate_refused(self, service: ServiceName, known_as: str, fault: Fault) -> None:
        raise AssertionError((service, known_as, fault))


async def later_for_web(bench: Bench) -> None:
    """WEB is renewed, and API is not: it was told of its entry later."""
    bench.told(WEB_1)
    await bench.pass_by(60 * SECOND)
    bench.told(WEB_1, API_2)
    await bench.pass_by(timedelta(0))


def test_attempts_that_fail_and_views_that_say_the_same_publish_nothing() -> None:
    async def play() -> None:
        bench = Bench()
        bench.told(WEB, API)
        async with bench.running(), Wire(bench) as wire:
            await bench.pass_by(timedelta(0))
            published = wire.moves
            bench.line.down = away()
            await bench.pass_by(bench.line.renew_after + 120 * SECOND)
            assert len(bench.line.calls) > 3
            view = bench.views.value
            assert view is not None
            bench.views.publish(NodeView(view.revision + 1, view.entries, view.sidecars, view.bundles))
            await bench.pass_by(SECOND)
            assert wire.moves == published
            bench.line.down = None
            await bench.pass_by(60 * SECOND)
            assert published < wire.moves <= published + 2, "once for each leaf that is new, at most"

    asyncio.run(play())


def test_a_workload_hears_nothing_of_another_ones_renewal() -> None:
    async def play() -> None:
        bench = Bench()
        async with bench.running():
            await later_for_web(bench)
            serve = ServeIdentities(bench.identities, NoMinter(), bench.clock)
            web, api = serve.follow_x509(FakeCaller(uid=1)), serve.follow_x509(FakeCaller(uid=2))
            await anext(web)
            await anext(api)
            bundles: AsyncIterator[object] = serve.follow_x509_bundles(FakeCaller(uid=1))
            await anext(bundles)
            await bench.pass_by(bench.line.renew_after - 60 * SECOND)
            assert bench.leaf(WEB).renewals == 1
            assert bench.leaf(API).renewals == 0
            assert (await anext(web)).identities[0].keyed == bench.must_hold(WEB)
            await nothing_more(api)
            await nothing_more(bundles)

    asyncio.run(play())


def test_an_sds_client_is_sent_nothing_of_another_ones_renewal_and_of_its_own_the_leaf_alone() -> None:
    async def play() -> None:
        bench = Bench()
        async with bench.running():
            await later_for_web(bench)
            offers = OfferConfiguration((bench.views, bench.identities), HERE, NoRefusals(), Generations(), bench.clock)
            talks = {uid: Conversation(Dialect.DELTA) for uid in (1, 2)}

            def offered(uid: int) -> list[Answer]:
                found = offers.secrets(frozenset({Selector("unix:uid", str(uid))}))
                assert found is not None
                return [one for one in talks[uid].feed(Offered(found.offer)) if isinstance(one, Answer)]

            for uid, entry in ((1, WEB), (2, API)):
                assert offered(uid) == []
                names = (str(entry.spiffe_id), "ROOTCA")
                said = talks[uid].feed(Requested(Kind.SECRET, subscribe=names))
                (answer,) = [one for one in said if isinstance(one, Answer)]
                assert len(answer.resources) == 2
                talks[uid].feed(Requested(Kind.SECRET, answer.nonce))
            await bench.pass_by(bench.line.renew_after - 60 * SECOND)
            assert bench.leaf(WEB).renewals == 1
            assert offered(2) == []
            (answer,) = offered(1)
            assert [one.name for one in answer.resources] == [str(WEB.spiffe_id)]

    asyncio.run(play())
