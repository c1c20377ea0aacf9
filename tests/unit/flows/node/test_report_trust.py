"""What a node says of the bundles it and its workloads hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.kit.clock import VirtualClock
from tests.kit.node_line import ACME, NODE, Domain, running
from trustplane.flows.feed import Feed
from trustplane.flows.node.follow_server import Outbox
from trustplane.flows.node.node_link import HoldingsReport
from trustplane.flows.node.report_trust import MOST_WORKLOADS, ReportTrust
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.spiffe.bundle import Bundle, BundleSet

FIRST, SECOND = Domain().bundle(), Domain().bundle()


def held(bundle: Bundle) -> HeldIdentities:
    return HeldIdentities((), BundleSet.of(bundle))


@dataclass
class Bench:
    outbox: Outbox
    trust: ReportTrust

    def told(self) -> dict[str, tuple[str, str, str]]:
        return {one.participant: (one.thing, one.desired, one.held) for one in self.outbox.holdings}


def bench() -> Bench:
    outbox = Outbox()
    return Bench(outbox, ReportTrust(NODE, ACME, outbox, VirtualClock()))


def test_the_agent_tells_of_every_bundle_it_takes_up() -> None:
    async def main() -> None:
        one = bench()
        identities = Feed(HeldIdentities.nothing_yet())
        async with running(one.trust.run(identities)):
            await asyncio.sleep(0)
            assert one.told() == {}
            for bundle in (FIRST, SECOND):
                identities.publish(held(bundle))
                for _ in range(5):
                    await asyncio.sleep(0)
                digest = bundle.x509_digest
                assert one.told() == {f"agent {NODE}": ("bundle", digest, digest)}

    asyncio.run(main())


def test_a_new_jwt_key_is_no_news_to_who_follows_x509() -> None:
    one = bench()
    without = Bundle(FIRST.trust_domain, FIRST.x509_authorities)
    assert one.trust.digest(held(FIRST)) == one.trust.digest(held(without)) != one.trust.digest(held(SECOND))


def test_a_subscriber_is_told_of_until_it_leaves() -> None:
    one = bench()
    first, second = one.trust.opened("spiffe://acme.example/web"), one.trust.opened("bundles")
    assert first == "workload spiffe://acme.example/web#1"
    one.trust.given(first, "new", "old")
    one.trust.given(second, "new", "new")
    assert one.told() == {first: ("bundle", "new", "old"), second: ("bundle", "new", "new")}
    one.trust.closed(first)
    one.trust.given(first, "new", "new")
    assert list(one.told()) == [second]


def test_only_news_is_told_of_a_subscriber() -> None:
    one = bench()
    name = one.trust.opened("web")
    one.trust.given(name, "new", "new")
    one.outbox.begin()
    one.outbox.take()
    one.trust.given(name, "new", "new")
    assert one.outbox.take() == []
    one.trust.given(name, "newer", "new")
    one.trust.closed(name)
    assert [report.gone for report in one.outbox.take() if isinstance(report, HoldingsReport)] == [(name,)]
    brief = one.trust.opened("web")
    one.trust.given(brief, "new", "")
    one.trust.closed(brief)
    assert one.outbox.take() == [], "one that came and went between two reports was nobody's business"


def test_too_many_subscribers_cost_a_node_nothing_else() -> None:
    one = bench()
    names = [one.trust.opened("web") for _ in range(MOST_WORKLOADS + 1)]
    assert names[-1] == ""
    one.trust.given("", "new", "new")
    assert one.told() == {}
    one.trust.closed(names[0])
    assert one.trust.opened("web")
