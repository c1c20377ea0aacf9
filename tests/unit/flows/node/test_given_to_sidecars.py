"""What a sidecar had been given by some instant, as records of its failed handshakes say it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.sidecars import WEB, authority, keyed
from trustplane.flows.feed import Feed
from trustplane.flows.node.given_to_sidecars import TAKEN_UP_AFTER, GivenToSidecars
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.registry.model import KeyKind
from trustplane.registry.view import Entry, NodeView, TrustedBundle, Withdrawn
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.selectors import Selector
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.xds.resources import Offer

ISSUING = authority()
ENTRY = Entry(WEB.service, WEB.spiffe_id, frozenset({Selector("unix:uid", "7")}), KeyKind.P256, "standard@1")
ORDER = "1/20260801T130001.000000Z"


class NoOffers:
    def offered(self, service: object) -> Offer | None:
        return None if service == WEB.service else Offer(())

    async def changed(self, since: int) -> int:
        return since + 1


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.views: Feed[NodeView | None] = Feed(None)
        self.identities = Feed(HeldIdentities.nothing_yet())
        self.given = GivenToSidecars((self.views, self.identities), NoOffers(), self.clock)

    def hold(self, svid: KeyedSvid) -> None:
        self.identities.publish(HeldIdentities(((ENTRY, svid),), BundleSet({})))
        self.tell(1)

    def tell(self, revision: int, remake: str = "", bundle: str = "b" * 64) -> None:
        trusted = (TrustedBundle(WEB.spiffe_id.trust_domain, b"{}", bundle),)
        self.views.publish(NodeView(revision, (), (WEB,), trusted, Withdrawn(remake=remake)))
        self.given.remember()


def test_what_it_had_then_is_not_what_it_has_now() -> None:
    bench = Bench()
    began = bench.clock.now()
    bench.tell(1)
    asyncio.run(bench.clock.advance(timedelta(seconds=10)))
    bench.tell(2, ORDER)
    held = [bench.given.of(WEB.service, began + timedelta(seconds=at))[0] for at in (-5, 5, 10)]
    assert [(one.revision, one.rollout) for one in held] == [(1, ""), (1, ""), (2, ORDER)]


def test_an_order_that_is_given_again_is_the_same_order() -> None:
    bench = Bench()
    bench.tell(1, f"{ORDER}+20260801T130006.000000Z")
    assert bench.given.of(WEB.service, bench.clock.now())[0].rollout == ORDER


@pytest.mark.parametrize("told", ["ordered again, soon", "x" * 200, "1\n2", "☂"])
def test_what_a_server_of_another_version_names_otherwise_ends_no_agent(told: str) -> None:
    bench = Bench()
    bench.tell(3, told, bundle=told)
    held, _ = bench.given.of(WEB.service, bench.clock.now())
    assert (held.revision, held.rollout, held.bundle) == (3, "", "")


def test_in_the_moment_after_a_new_leaf_neither_is_named() -> None:
    """The proxy may have begun with the old one, and then the new one would be taken for what was refused."""
    bench = Bench()
    old, new = keyed(ISSUING, WEB.spiffe_id), keyed(ISSUING, WEB.spiffe_id)
    bench.hold(old)
    asyncio.run(bench.clock.advance(timedelta(seconds=10)))
    renewed = bench.clock.now()
    bench.hold(new)
    bench.tell(2)  # another revision with the same leaf makes nothing doubtful
    moments = [timedelta(milliseconds=-1), timedelta(milliseconds=60), TAKEN_UP_AFTER]
    claims = [bench.given.of(WEB.service, renewed + one)[1] for one in moments]
    assert [one.serial for one in claims] == [serial(old), "", serial(new)]
    assert {one.spiffe_id for one in claims} == {str(WEB.spiffe_id)}


def serial(of: KeyedSvid) -> str:
    return f"{of.svid.leaf.serial_number:x}"
