"""A follower gets a full view, then exactly what changed, and nothing while its content stays the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from trustplane.flows.desired.push_views import Push, ViewFeed
from trustplane.registry.candidate import NO_CANDIDATE, Candidate
from trustplane.registry.model import DesiredState, KeyKind, Namespace, Profile, RenewalWindow, Service
from trustplane.registry.needs import Needs
from trustplane.registry.view import NodeView
from trustplane.registry.view_change import ViewChange, applied, digest
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName, default_id
from trustplane.spiffe.selectors import Selector

DOMAIN = TrustDomain("acme.example")
NODE = NodeName("node-a")
STANDARD = Profile("standard", 1, KeyKind.P256, timedelta(hours=1), timedelta(seconds=30), RenewalWindow(0.5, 0.75))


CANDIDATE = Candidate("1-00000000", datetime(2030, 1, 1, tzinfo=UTC))


def needs(*names: str, revision: int = 1, candidate: Candidate = NO_CANDIDATE) -> Needs:
    services = {}
    for name in names:
        service = ServiceName("shop", name)
        services[service] = Service(
            service,
            default_id(DOMAIN, service),
            ("team",),
            frozenset({Selector("unix:path", f"/bin/{name}")}),
            "standard",
        )
    state = DesiredState(DOMAIN, "standard", {"standard": STANDARD}, {"shop": Namespace("shop", ("team",))}, services)
    return Needs(state, revision, {}, (), candidate=candidate)


async def next_push(pushes: AsyncIterator[Push]) -> Push:
    return await asyncio.wait_for(anext(pushes), timeout=10)


async def has_nothing(pushes: AsyncIterator[Push]) -> bool:
    """Whether the follower still waits once everything that was ready has run."""
    waiting = asyncio.ensure_future(anext(pushes))
    for _ in range(5):
        await asyncio.sleep(0)
    idle = not waiting.done()
    waiting.cancel()
    return idle


def names_in(view: NodeView) -> list[str]:
    return [entry.service.name for entry in view.entries]


async def follow_a_change() -> None:
    feed = ViewFeed(needs("web"))
    pushes = feed.follow(NODE, "")
    first = await next_push(pushes)
    assert first.change is None
    assert names_in(first.view) == ["web"]
    feed.publish(needs("web", "ledger", revision=2))
    second = await next_push(pushes)
    assert second.number == first.number + 1
    assert second.change is not None
    assert [entry.service.name for entry in second.change.entries] == ["ledger"]
    assert applied(first.view, second.change) == second.view
    assert second.view_digest == digest(second.view)


def test_a_follower_gets_the_whole_view_and_then_the_difference() -> None:
    asyncio.run(follow_a_change())


async def follow_no_change() -> None:
    feed = ViewFeed(needs("web"))
    pushes = feed.follow(NODE, "")
    await next_push(pushes)
    feed.publish(needs("web", revision=2))
    assert await has_nothing(pushes)


def test_a_revision_that_changes_nothing_for_a_node_is_not_pushed() -> None:
    asyncio.run(follow_no_change())


async def come_back_with_the_same() -> None:
    feed = ViewFeed(needs("web"))
    held = digest(feed.needs.of(NODE))
    push = await next_push(feed.follow(NODE, held))
    beside = feed.needs.of(NODE)  # its digest tells of neither
    assert push.change == ViewChange(1, candidate=NO_CANDIDATE, offered=beside.offered)


def test_an_agent_that_comes_back_with_the_current_view_is_sent_no_content() -> None:
    asyncio.run(come_back_with_the_same())


async def skip_what_came_between() -> None:
    feed = ViewFeed(needs("web"))
    pushes = feed.follow(NODE, "")
    first = await next_push(pushes)
    feed.publish(needs("web", "ledger", revision=2))
    feed.publish(needs("ledger", revision=3))
    last = await next_push(pushes)
    assert last.change is not None
    assert applied(first.view, last.change) == feed.needs.of(NODE)
    assert await has_nothing(pushes)


def test_a_slow_follower_reaches_the_newest_in_one_step() -> None:
    asyncio.run(skip_what_came_between())


async def try_a_candidate() -> None:
    feed = ViewFeed(needs("web"))
    pushes = feed.follow(NODE, "")
    first = await next_push(pushes)
    feed.publish(needs("web", candidate=CANDIDATE))
    told = await next_push(pushes)
    assert (told.view_digest, told.change) == (first.view_digest, ViewChange(1, candidate=CANDIDATE))
    feed.publish(needs("web"))
    ended = await next_push(pushes)
    assert ended.change == ViewChange(1, candidate=NO_CANDIDATE)
    assert await has_nothing(pushes)


def test_a_candidate_is_told_and_taken_back_without_another_digest() -> None:
    asyncio.run(try_a_candidate())
