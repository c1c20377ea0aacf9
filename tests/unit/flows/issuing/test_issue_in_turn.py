"""Who asks when many do: nearest expiry first, the rest told when to come, and nothing for those who have gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.kit.clock import START, VirtualClock
from tests.kit.node_line import NODE, away, running
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.issuing.issue import Issued, Request
from trustplane.flows.issuing.issue_in_turn import IssueInTurn
from trustplane.rotation.pace import SigningPace
from trustplane.spiffe.names import NodeName

SECOND = timedelta(seconds=1)
NOW = timedelta(0)


@dataclass
class Signing:
    """An issuer that takes as long as it is told, and remembers what it was asked for and when."""

    clock: VirtualClock
    takes: timedelta = NOW
    fault: Fault | None = None
    asked: list[tuple[datetime, NodeName, tuple[str, ...]]] = field(default_factory=list)

    async def issue(self, node: NodeName, requests: Sequence[Request], at: datetime) -> Sequence[Issued | Fault]:
        self.asked.append((at, node, tuple(one.spiffe_id for one in requests)))
        if self.takes:
            await self.clock.sleep(self.takes)
        if self.fault is not None:
            raise self.fault
        return [self._outcome(one, at) for one in requests]

    def _outcome(self, request: Request, at: datetime) -> Issued | Fault:
        if request.spiffe_id == "stranger":
            return Refused(code="not-entitled", what="w", why="y", fix="f")
        return Issued((), len(self.asked), at, at)

    @property
    def names(self) -> list[str]:
        return [name for _, _, names in self.asked for name in names]


class Bench:
    def __init__(self, rate: float | None = 10) -> None:
        self.clock = VirtualClock()
        self.signing = Signing(self.clock)
        self.turns = IssueInTurn(self.signing, SigningPace(rate), self.clock)

    def ask(
        self, *names: str, held: timedelta | None = None, node: NodeName = NODE
    ) -> asyncio.Task[Sequence[Issued | Fault]]:
        at = self.clock.now()
        requests = [Request(name, b"", at + held if held is not None else None) for name in names]
        return asyncio.create_task(self.turns.issue(node, requests, at))


def codes(answers: Sequence[Issued | Fault]) -> list[str]:
    return [one.code if isinstance(one, Fault) else "issued" for one in answers]


def test_a_server_with_time_issues_a_call_at_once_and_whole() -> None:
    async def play() -> None:
        bench = Bench(rate=None)
        names = ("a", "stranger", "b")
        assert codes(await bench.ask(*names)) == ["issued", "not-entitled", "issued"]
        assert bench.signing.asked == [(START, NODE, names)]
        assert await bench.ask() == []
        assert (len(bench.turns), bench.turns.under_way, bench.turns.hung_up) == (0, 0, 0)

    asyncio.run(play())


def test_the_nearest_expiry_is_signed_first_and_no_faster_than_configured() -> None:
    async def play() -> None:
        bench = Bench(rate=1)
        async with running(bench.turns.run()):
            first = bench.ask("first")
            await bench.clock.advance(NOW)
            later = bench.ask("later", held=3600 * SECOND)
            sooner = bench.ask("sooner", held=60 * SECOND)
            nothing = bench.ask("nothing")
            await bench.clock.advance(NOW)
            assert len(bench.turns) == 3
            await bench.clock.advance(4 * SECOND)
            assert bench.signing.names == ["first", "nothing", "sooner", "later"]
            signed_at = [at - START for at, _, _ in bench.signing.asked]
            assert all(after - before >= SECOND for before, after in pairwise(signed_at))
            assert [codes(one.result()) for one in (first, later, sooner, nothing)] == [["issued"]] * 4

    asyncio.run(play())


def test_who_has_no_place_is_told_a_turn_and_those_turns_follow_each_other() -> None:
    async def play() -> None:
        bench = Bench(rate=1)  # four places, of one second each
        async with running(bench.turns.run()):
            answers = bench.ask(*(f"s{number}" for number in range(9)), held=3600 * SECOND)
            await bench.clock.advance(5 * SECOND)
            outcomes = answers.result()
            shed = [one for one in outcomes if isinstance(one, Unavailable)]
            assert codes(outcomes).count("issued") == 4
            assert {one.code for one in shed} == {"issuing-busy"}
            waits = [one.retry_after for one in shed]
            assert len(set(waits)) == len(waits) == bench.turns.sent_away == 5
            assert max(wait for wait in waits if wait) <= 10 * SECOND

    asyncio.run(play())


def test_a_claim_to_have_expired_long_ago_brings_nobody_before_those_who_hold_nothing() -> None:
    async def play() -> None:
        bench = Bench(rate=1)
        async with running(bench.turns.run()):
            bench.ask("first")
            await bench.clock.advance(NOW)
            waiting = [bench.ask("nothing"), bench.ask("liar", held=-3650 * 86400 * SECOND)]
            await bench.clock.advance(3 * SECOND)
            assert all(one.done() for one in waiting)
            assert bench.signing.names == ["first", "nothing", "liar"]

    asyncio.run(play())


def test_who_hangs_up_leaves_no_place_behind_and_is_not_signed_for() -> None:
    async def play() -> None:
        bench = Bench(rate=1)
        async with running(bench.turns.run()):
            await bench.ask("first")
            gone = bench.ask("gone", "gone too")
            await bench.clock.advance(NOW)
            assert len(bench.turns) == 2
            gone.cancel()
            await bench.clock.advance(NOW)
            assert len(bench.turns) == 0
            await bench.clock.advance(5 * SECOND)
            assert bench.signing.names == ["first"]
            assert bench.turns.hung_up == 1

    asyncio.run(play())


def test_who_hangs_up_while_it_is_signed_for_makes_room_for_the_next() -> None:
    async def play() -> None:
        bench = Bench(rate=None)
        bench.signing.takes = 3600 * SECOND
        async with running(bench.turns.run()):
            slow = bench.ask("slow")
            await bench.clock.advance(NOW)
            assert bench.turns.under_way == 1
            slow.cancel()
            await bench.clock.advance(NOW)
            assert bench.turns.under_way == 0

    asyncio.run(play())


def test_a_slow_signer_is_measured_and_no_more_is_under_way_than_it_can_do() -> None:
    async def play() -> None:
        bench = Bench(rate=None)
        bench.signing.takes = timedelta(seconds=2)
        nodes = [NodeName(f"n{number}") for number in range(60)]
        async with running(bench.turns.run()):
            calls = [bench.ask(*(f"s{place}" for place in range(100)), node=node) for node in nodes]
            most = 0
            for _ in range(600):
                await bench.clock.advance(SECOND / 10)
                most = max(most, bench.turns.under_way)
                if all(one.done() for one in calls):
                    break
            assert most <= SigningPace().under_way
            assert len(bench.turns) == bench.turns.under_way == 0
            assert bench.turns.per_second < SigningPace().per_second

    asyncio.run(play())


def test_what_concerns_a_whole_call_is_raised_and_the_next_call_is_not_touched() -> None:
    async def play() -> None:
        bench = Bench(rate=None)
        bench.signing.fault = away()
        with pytest.raises(Unavailable):
            await bench.ask("a", "b")
        bench.signing.fault = None
        assert codes(await bench.ask("a", "b")) == ["issued", "issued"]
        assert bench.turns.under_way == 0

    asyncio.run(play())


def test_when_the_second_part_of_a_call_fails_the_first_part_is_answered_all_the_same() -> None:
    async def play() -> None:
        bench = Bench(rate=1)
        async with running(bench.turns.run()):
            call = bench.ask("a", "b")
            await bench.clock.advance(NOW)
            bench.signing.fault = away()
            await bench.clock.advance(2 * SECOND)
            assert codes(call.result()) == ["issued", "server-away"]

    asyncio.run(play())


def test_a_clock_that_is_set_back_holds_up_nobody() -> None:
    async def play() -> None:
        bench = Bench(rate=1)
        async with running(bench.turns.run()):
            await bench.ask("first")
            waiting = bench.ask("second")
            await bench.clock.advance(NOW)
            bench.clock._now -= timedelta(hours=1)
            bench.clock._sleepers = [
                (at - timedelta(hours=1), order, woken) for at, order, woken in bench.clock._sleepers
            ]
            await bench.clock.advance(3 * SECOND)
            assert codes(waiting.result()) == ["issued"]

    asyncio.run(play())
