from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.proposals import ADA, GRACE, NOON, REVOKE, CountedAct, MemoryProposals, refusing
from trustplane.fault import Refused
from trustplane.flows.approvals.keep_proposals import INTERRUPTED, LATELY, KeepProposals
from trustplane.people.person import Person
from trustplane.people.proposal import CARRIED_OUT_WITHIN, LIFETIME, Phase, Proposal
from trustplane.people.proposed_act import Act, ActKind


class Killed(BaseException):
    """The process is gone: nothing after this is run."""


class Kept:
    """One database, and the servers that are started on it."""

    def __init__(self) -> None:
        self.records = MemoryProposals()
        self.act = CountedAct()
        self.clock = VirtualClock(NOON)

    def server(self, name: str = "server-1") -> KeepProposals:
        return KeepProposals(self.records, {ActKind.REVOKE_ID: self.act}, self.clock, name)

    def proposed(self) -> Proposal:
        return run(self.server().propose(REVOKE, ADA, "left the company"))

    def approve(self, one: Proposal, by: Person = GRACE, word: str = "seen") -> Proposal:
        return run(self.server().approve(one.number, one.digest, by, word))

    def log(self) -> list[str]:
        return [json.loads(body)["event"] for body in self.records.bodies]

    def later(self, length: timedelta) -> None:
        self.clock.set_back(-length)


def run(work: Coroutine[Any, Any, Proposal]) -> Proposal:
    return asyncio.run(work)


def test_what_is_proposed_and_approved_is_done_once_with_intent_and_outcome() -> None:
    kept = Kept()
    one = kept.proposed()
    ended = kept.approve(one)
    assert (ended.phase, ended.told) == (Phase.CARRIED_OUT, "revoke-id was done")
    assert kept.act.done == ["console:ada, approved by console:grace (proposal 1)"]
    assert kept.log() == ["proposal-made", "proposal-approved", "proposal-outcome"]
    assert {json.loads(body)["digest"] for body in kept.records.bodies} == {one.digest}
    for word in ("again", "and again"):
        with pytest.raises(Refused, match="proposal-over"):
            kept.approve(one, Person("console:eve"), word)
    assert len(kept.act.done) == 1


def test_two_who_approve_at_once_have_it_done_once() -> None:
    kept = Kept()
    one = kept.proposed()

    async def both() -> list[Proposal | BaseException]:
        two = (kept.server("a"), kept.server("b"))
        approvals = [each.approve(one.number, one.digest, GRACE, "seen") for each in two]
        return await asyncio.gather(*approvals, return_exceptions=True)

    answers = asyncio.run(both())
    assert sum(isinstance(each, Refused) for each in answers) == 1
    assert len(kept.act.done) == 1


def test_what_was_read_is_what_is_approved() -> None:
    kept = Kept()
    one = kept.proposed()
    with pytest.raises(Refused, match="proposal-altered"):
        run(kept.server().approve(1, "0" * 64, GRACE, "seen"))
    kept.records.kept[1] = replace(one, by=Person("console:mallory"))
    with pytest.raises(Refused, match="proposal-altered"):
        kept.approve(one)
    assert kept.act.done == []


def test_what_is_not_as_it_was_judged_is_not_carried_out() -> None:
    kept = Kept()
    one = kept.proposed()
    kept.act.changes_its_mind()
    with pytest.raises(Refused, match=r"proposal-moved-on(?s:.)*revoked"):
        kept.approve(one)
    assert kept.act.done == []
    assert run(kept.server().one(1)).phase is Phase.PROPOSED


def test_its_proposer_does_not_approve_and_a_reason_is_asked_for() -> None:
    kept = Kept()
    one = kept.proposed()
    with pytest.raises(Refused, match="own-proposal"):
        kept.approve(one, Person("console:oidc:ada@x.example", "sub"))
    with pytest.raises(Refused, match="no-word-of-why"):
        kept.approve(one, word=" ")
    assert kept.log() == ["proposal-made"]


def test_what_fails_says_why_and_is_not_tried_again() -> None:
    kept = Kept()
    one = kept.proposed()
    kept.act.fault = refusing()
    ended = kept.approve(one)
    assert (ended.phase, ended.told) == (Phase.FAILED, "test-refusal: it is not possible; the test says so")
    kept.act.fault = None
    asyncio.run(kept.server().start())
    assert kept.act.done == []
    assert json.loads(kept.records.bodies[-1])["done"] is False


def test_an_act_goes_on_when_whoever_approved_it_has_gone_away() -> None:
    kept = Kept()
    one = kept.proposed()

    async def gone_meanwhile() -> None:
        begun, may_end = asyncio.Event(), asyncio.Event()

        class Slow(CountedAct):
            async def carry_out(self, act: Act, by: str) -> str:
                begun.set()
                await may_end.wait()
                return await super().carry_out(act, by)

        kept.act = Slow()
        server = kept.server()
        approving = asyncio.create_task(server.approve(one.number, one.digest, GRACE, "seen"))
        await begun.wait()
        [acting] = server._acting
        approving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await approving
        may_end.set()
        await acting

    asyncio.run(gone_meanwhile())
    assert kept.records.kept[1].phase is Phase.CARRIED_OUT
    assert len(kept.act.done) == 1


def test_a_server_killed_before_the_act_tells_of_it_and_never_does_it() -> None:
    kept = Kept()
    one = kept.proposed()
    kept.act.dies = Killed()
    with pytest.raises(Killed):
        kept.approve(one)
    assert kept.log()[-1] == "proposal-approved"  # the intent is there before the act
    kept.act.dies = None
    asyncio.run(kept.server("another").start())
    assert run(kept.server().one(1)).phase is Phase.APPROVED  # another server is not the one that was about to
    asyncio.run(kept.server().start())
    ended = run(kept.server().one(1))
    assert (ended.phase, ended.told) == (Phase.FAILED, INTERRUPTED)
    assert kept.act.done == []


def test_a_server_killed_after_the_act_finds_that_it_was_done() -> None:
    kept = Kept()
    one = kept.proposed()

    class DiesAfter(CountedAct):
        async def carry_out(self, act: Act, by: str) -> str:
            await super().carry_out(act, by)
            raise Killed

    kept.act = DiesAfter()
    with pytest.raises(Killed):
        kept.approve(one)
    asyncio.run(kept.server().start())
    assert run(kept.server().one(1)).phase is Phase.CARRIED_OUT
    assert len(kept.act.done) == 1


def test_what_a_server_that_stays_away_left_is_looked_after_by_another() -> None:
    kept = Kept()
    one = kept.proposed()
    kept.act.dies = Killed()
    with pytest.raises(Killed):
        kept.approve(one)
    asyncio.run(kept.server("another").settle())
    assert run(kept.server().one(1)).phase is Phase.APPROVED
    kept.later(CARRIED_OUT_WITHIN)
    asyncio.run(kept.server("another").settle())
    assert run(kept.server().one(1)).phase is Phase.FAILED


def test_nobody_waits_for_ever() -> None:
    kept = Kept()
    one = kept.proposed()
    kept.later(LIFETIME)
    with pytest.raises(Refused, match="expired"):
        kept.approve(one)
    asyncio.run(kept.server().settle())
    assert kept.log() == ["proposal-made", "proposal-expired"]
    assert kept.records.kept[1].phase is Phase.EXPIRED


def test_what_waits_is_told_of_however_much_was_decided_since() -> None:
    kept = Kept()
    kept.proposed()
    for number in range(LATELY + 1):
        one = run(kept.server().propose(REVOKE, Person(f"console:p{number}"), "x"))
        run(kept.server().refuse(one.number, GRACE, "no"))
    told = [one.number for one in asyncio.run(kept.server().lately())]
    assert told == [*range(LATELY + 2, 2, -1), 1]


def test_it_is_refused_and_withdrawn() -> None:
    kept = Kept()
    kept.proposed()
    kept.proposed()
    assert run(kept.server().refuse(1, GRACE, "not today")).phase is Phase.REFUSED
    with pytest.raises(Refused, match="not-your-proposal"):
        run(kept.server().withdraw(2, GRACE))
    assert run(kept.server().withdraw(2, ADA)).phase is Phase.WITHDRAWN
    assert kept.log()[2:] == ["proposal-refused", "proposal-withdrawn"]
    with pytest.raises(Refused, match="proposal-unknown"):
        run(kept.server().one(3))


def test_breaking_the_glass_is_on_record_before_and_after() -> None:
    kept = Kept()

    async def at_once(fault: Refused | None) -> None:
        async with kept.server().broken_glass(REVOKE, Person("local:bob"), "the building burns"):
            if fault:
                raise fault

    asyncio.run(at_once(None))
    with pytest.raises(Refused, match="test-refusal"):
        asyncio.run(at_once(refusing()))
    first, second = kept.records.kept[1], kept.records.kept[2]
    assert (first.phase, first.is_glass_broken, first.acts_as) == (Phase.CARRIED_OUT, True, "local:bob")
    assert second.phase is Phase.FAILED
    assert kept.log() == ["glass-broken", "proposal-outcome"] * 2
