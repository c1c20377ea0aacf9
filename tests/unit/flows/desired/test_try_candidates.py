"""A candidate is tried for a time, against one revision, by every server; and enforced by the door of every change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.node_line import running
from tests.kit.policies import FILES, FOLDER, PAYMENTS
from trustplane.fault import Fault, Refused
from trustplane.flows.desired.desired_state import KeepDesiredState
from trustplane.flows.desired.try_candidates import NOBODY, TryCandidates
from trustplane.registry.candidate import NO_CANDIDATE, Candidate
from trustplane.registry.records import Holding, Hosting
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.store.store import Store
from trustplane.verdict.coverage import Fleet
from trustplane.verdict.dry_run import DryRun, End
from trustplane.verdict.dry_run_report import Judgements
from trustplane.verdict.promotion import Gate
from trustplane.xds import shadow

DOMAIN, NODE = TrustDomain("shop.example"), NodeName("node-a")
HOUR = timedelta(hours=1)
ALL = '@id("all") permit (principal is Service, action == Action::"charge", resource);'
WEB_ONLY = '@id("web") permit (principal == Service::"shop/web", action == Action::"charge", resource);'
ANYTHING_GOES = Gate(timedelta(0), 0)


def files(cedar: str = ALL) -> dict[str, bytes]:
    return {path: text.encode() for path, text in {**FILES, FOLDER + "policy.cedar": cedar}.items()}


@dataclass
class Bench:
    store: Store
    clock: VirtualClock
    desired: KeepDesiredState
    trying: TryCandidates

    @property
    def published(self) -> Candidate:
        return self.desired.views.needs.of(NODE).candidate

    async def events(self) -> list[tuple[str, str]]:
        entries = await self.store.audit_entries(0, 1000)
        bodies = [json.loads(one.body) for one in entries]
        return [
            (str(one["event"]), str(one["about"].get("how") or one["action"]))
            for one in bodies
            if one["event"].startswith("dry-run")
        ]


class Seen:
    """Every sidecar says that it judges by whatever is published."""

    def __init__(self, desired: KeepDesiredState) -> None:
        self._desired = desired

    async def fleet(self) -> Fleet:
        candidate = self._desired.views.needs.of(NODE).candidate
        hosting = [Hosting(NODE, one.service, VirtualClock().now()) for one in candidate.tried]
        holdings = [
            Holding(NODE, f"sidecar {one.service}", f"extension/{name}", known, known, "", VirtualClock().now())
            for one in candidate.tried
            for name in shadow.FILTERS
            for known in [candidate.known_as(one)]
        ]
        return Fleet(hosting, holdings, {NODE})

    async def judged_by(self, run: DryRun) -> Judgements:
        assert "-" in run.id
        return Judgements()


@asynccontextmanager
async def bench(folder: Path, applied: Mapping[str, bytes] | None = None) -> AsyncIterator[Bench]:
    clock = VirtualClock()
    async with await Store.open(f"sqlite:///{folder / 'trustplane.db'}", clock) as store:
        found = await another(store, clock)
        await found.desired.apply(files() if applied is None else applied, "ann")
        yield found


async def another(store: Store, clock: VirtualClock) -> Bench:
    """A server of the same database."""
    desired = KeepDesiredState(DOMAIN, store, store, store, clock)
    await desired.load()
    return Bench(store, clock, desired, TryCandidates(store, desired, Seen(desired), store, clock))


def play(folder: Path, scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def run() -> None:
        async with bench(folder) as here:
            await scenario(here)

    asyncio.run(run())


async def code_of(asked: Awaitable[object]) -> str:
    with pytest.raises(Fault) as fault:
        await asked
    return fault.value.code


def test_what_is_tried_reaches_the_nodes_and_what_is_enforced_stays(tmp_path: Path) -> None:
    async def scenario(here: Bench) -> None:
        enforced = here.desired.views.needs.of(NODE)
        started = await here.trying.start(files(WEB_ONLY), "ann", HOUR)
        view = here.desired.views.needs.of(NODE)
        assert [one.service for one in view.candidate.tried] == [PAYMENTS]
        assert (view.candidate.id, view.candidate.ends_at) == (started.run.id, here.clock.now() + HOUR)
        assert (view.sidecars, view.revision) == (enforced.sidecars, 1)
        assert await here.events() == [("dry-run-intent", "start"), ("dry-run-outcome", "start")]

    play(tmp_path, scenario)


def test_a_removed_policy_and_a_removed_service_are_tried_too(tmp_path: Path) -> None:
    async def scenario(here: Bench) -> None:
        without_policy = {path: one for path, one in files().items() if not path.endswith("policy.cedar")}
        await here.trying.start(without_policy, "ann", HOUR)
        (declared,) = here.published.tried
        assert not declared.policy
        assert [str(one.spiffe_id) for one in declared.callers] == ["spiffe://shop.example/ns/shop/sa/checkout"]
        await here.trying.stop("ann")
        checkout = FILES["services/shop/checkout/service.yaml"].partition("calls:")[0]
        gone = {path: one for path, one in files().items() if not path.startswith(FOLDER)}
        await here.trying.start({**gone, "services/shop/checkout/service.yaml": checkout.encode()}, "ann", HOUR)
        assert [(one.service, one.policy) for one in here.published.tried] == [(PAYMENTS, NOBODY)]

    play(tmp_path, scenario)


def test_what_would_not_be_applied_is_not_tried_and_neither_is_what_changes_nothing(tmp_path: Path) -> None:
    async def scenario(here: Bench) -> None:
        assert await code_of(here.trying.start(files("permit (principal, action, resource)"), "ann", HOUR))
        assert await code_of(here.trying.start(files(), "ann", HOUR)) == "dry-run-without-difference"
        assert await code_of(here.trying.start(files(WEB_ONLY), "ann", timedelta(days=31))) == "dry-run-length"
        assert await here.store.newest_dry_run() is None
        assert await here.events() == []

    play(tmp_path, scenario)


def test_one_is_tried_at_a_time_and_a_stopped_one_leaves_every_node(tmp_path: Path) -> None:
    async def scenario(here: Bench) -> None:
        assert await code_of(here.trying.standing()) == "dry-run-none"
        await here.trying.start(files(WEB_ONLY), "ann", HOUR)
        assert await code_of(here.trying.start(files(WEB_ONLY), "bob", HOUR)) == "dry-run-under-way"
        stopped = await here.trying.stop("bob")
        assert stopped.ended
        assert (stopped.ended.how, stopped.ended.by, here.published) == (End.STOPPED, "bob", NO_CANDIDATE)
        assert await code_of(here.trying.stop("bob")) == "dry-run-none"
        assert (await here.events())[-2:] == [("dry-run-intent", "stop"), ("dry-run-outcome", "stopped")]

    play(tmp_path, scenario)


def test_every_server_and_every_start_of_one_publishes_the_same(tmp_path: Path) -> None:
    async def scenario(here: Bench) -> None:
        await here.trying.start(files(WEB_ONLY), "ann", HOUR)
        replica = await another(here.store, here.clock)
        assert replica.published == NO_CANDIDATE
        await replica.trying.settle()
        assert replica.published == here.published
        await replica.trying.stop("bob")
        await here.trying.settle()
        assert here.published == NO_CANDIDATE

    play(tmp_path, scenario)


def test_another_revision_ends_it_and_that_is_written_down_once(tmp_path: Path) -> None:
    async def scenario(here: Bench) -> None:
        await here.trying.start(files(WEB_ONLY), "ann", HOUR)
        await here.desired.apply(files(ALL.replace("all", "every")), "bob")
        replica = await another(here.store, here.clock)
        for one in (here, replica, here):
            await one.trying.settle()
            assert one.published == NO_CANDIDATE
        assert [event for event in await here.events() if event[1] == End.SUPERSEDED.value] == [
            ("dry-run-outcome", End.SUPERSEDED.value)
        ]
        assert await code_of(here.trying.promote("ann", ANYTHING_GOES)) == "dry-run-none"

    play(tmp_path, scenario)


def test_it_ends_by_itself(tmp_path: Path) -> None:
    async def scenario(here: Bench) -> None:
        await here.trying.start(files(WEB_ONLY), "ann", HOUR)
        pushes = here.desired.views.follow(NODE, "")
        await anext(pushes)
        async with running(here.trying.run()):
            for _ in range(60):
                await here.clock.until_sleeping()
                await here.clock.advance(timedelta(minutes=1))
            told = await asyncio.wait_for(anext(pushes), timeout=10)
        assert told.view.candidate == NO_CANDIDATE
        run = await here.store.newest_dry_run()
        assert run
        assert run.ended
        assert run.ended.how is End.TIME

    play(tmp_path, scenario)


def test_a_promotion_that_lacks_something_changes_nothing(tmp_path: Path) -> None:
    async def scenario(here: Bench) -> None:
        await here.trying.start(files(WEB_ONLY), "ann", HOUR)
        with pytest.raises(Refused) as refusal:
            await here.trying.promote("ann", Gate())
        assert {one.code for one in refusal.value.findings} == {"dry-run-too-short", "dry-run-not-exercised"}
        assert await code_of(here.trying.promote("ann", ANYTHING_GOES, "00" * 32)) == "dry-run-other-files"
        assert here.desired.current
        assert here.desired.current[0].number == 1
        assert ("dry-run-intent", "promote") not in await here.events()

    play(tmp_path, scenario)


def test_what_was_tried_is_applied_as_every_change_is(tmp_path: Path) -> None:
    async def scenario(here: Bench) -> None:
        started = await here.trying.start(files(WEB_ONLY), "ann", HOUR)
        run, revision, plan = await here.trying.promote("ann", ANYTHING_GOES, started.run.digest)
        assert (run.id, revision.number, plan.is_empty) == (started.run.id, 2, False)
        assert (await here.store.revision(2)).files == started.run.files
        assert here.published == NO_CANDIDATE
        ended = (await here.trying.standing()).ended
        assert ended
        assert ended.how is End.APPLIED
        assert (await here.events())[-2:] == [("dry-run-intent", "promote"), ("dry-run-outcome", End.APPLIED.value)]

    play(tmp_path, scenario)


def test_a_revision_that_comes_in_between_is_not_undone_by_a_promotion(tmp_path: Path) -> None:
    async def scenario(here: Bench) -> None:
        await here.trying.start(files(WEB_ONLY), "ann", HOUR)
        replica = await another(here.store, here.clock)
        await replica.desired.apply(files(ALL.replace("all", "every")), "bob")
        assert await code_of(here.trying.promote("ann", ANYTHING_GOES)) == "revision-moved"
        assert here.desired.current
        assert here.desired.current[0].number == 2

    play(tmp_path, scenario)


def test_without_a_revision_there_is_nothing_to_try_against(tmp_path: Path) -> None:
    async def run() -> None:
        clock = VirtualClock()
        async with await Store.open(f"sqlite:///{tmp_path / 'trustplane.db'}", clock) as store:
            here = await another(store, clock)
            assert await code_of(here.trying.start(files(), "ann", HOUR)) == "dry-run-against-nothing"
            await here.trying.settle()

    asyncio.run(run())
