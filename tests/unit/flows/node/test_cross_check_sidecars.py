"""A sidecar is believed as long as nothing that is seen of it says otherwise, and named as soon as something does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from tests.kit.clock import VirtualClock
from tests.kit.node_line import NODE, running
from tests.kit.sidecars import PAY
from tests.unit.flows.roots.test_sidecar_uptake import MemoryFile
from tests.unit.xds.test_cross_check import ID, NEW_SERIAL, OLD_SERIAL, OWN, SECRETS, SERIAL, context
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.node.cross_check_sidecars import AGAIN, LATE, STEP, CrossCheckSidecars
from trustplane.flows.node.follow_server import Outbox
from trustplane.flows.roots.sidecar_uptake import LINGER, SidecarUptake
from trustplane.registry.records import Holding
from trustplane.xds.conversation import Held
from trustplane.xds.cross_check import SILENT_AFTER, Shown
from trustplane.xds.resources import Offer
from trustplane.xds.unsaid_rejections import UPDATES, Subscription

NAME = str(PAY.service)
SOUND = Shown((context(OLD_SERIAL, NEW_SERIAL),))
OTHER_ROOTS = Shown((context(OLD_SERIAL),))


class Process:
    """A proxy that answers what the test says."""

    def __init__(self) -> None:
        self.answer: Shown | Fault = SOUND
        self.is_alive = True
        self.is_closed = False
        self.looks = 0
        self.can_be_asked = True

    def alive(self) -> bool:
        return self.is_alive

    def is_stopped(self) -> bool:
        return False

    async def look(self) -> Shown:
        self.looks += 1
        if isinstance(self.answer, Fault):
            raise self.answer
        return self.answer

    def close(self) -> None:
        self.is_closed = True


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.uptake = SidecarUptake(NODE, Outbox(), MemoryFile(), self.clock)
        self.process = Process()
        self.offer: Offer | None = Offer(SECRETS)
        self.checks = CrossCheckSidecars(lambda _: self.offer, self.uptake, lambda *_: self.process, self.clock)

    def attach(self, stream: int = 1) -> None:
        self.uptake.opened(NAME, managed=True)
        self.checks.attached(NAME, stream, "peer", "/run/admin.sock")
        for one in SECRETS:
            self.uptake.report(NAME, Held(f"secret/{one.name}", one.known_as, one.known_as))

    def detach(self, stream: int = 1) -> None:
        self.uptake.closed(NAME, managed=True)
        self.checks.detached(stream)

    def told(self, thing: str) -> Holding | None:
        return next((one for one in self.uptake.holdings_of(PAY.service) if one.thing == thing), None)

    def refusal(self, thing: str) -> str:
        found = self.told(thing)
        assert found is not None, f"{thing} was not told"
        assert bool(found.refusal) == (found.held != found.desired)
        return found.refusal

    async def later(self, time: timedelta = STEP) -> None:
        """In steps, as it would be."""
        for _ in range(round(time / STEP)):
            await self.clock.advance(STEP)


def played(story: Callable[[Bench], Awaitable[None]]) -> Bench:
    bench = Bench()

    async def play() -> None:
        async with running(bench.checks.run()):
            await bench.clock.until_sleeping()
            await story(bench)

    asyncio.run(play())
    return bench


ROOTS, SHOWN_LEAF, XDS = f"proxy/secret/{OWN}", f"proxy/secret/{ID}", "proxy/xds"


def test_what_was_acknowledged_is_confirmed_soon_and_then_looked_at_seldom() -> None:
    async def story(bench: Bench) -> None:
        bench.attach()
        await bench.later()
        assert [bench.refusal(one) for one in (ROOTS, SHOWN_LEAF, XDS)] == ["", "", ""]
        await bench.later(3 * AGAIN)

    assert played(story).process.looks == 4


def test_a_contradiction_counts_when_it_is_seen_again_and_ends_when_it_is_over() -> None:
    async def story(bench: Bench) -> None:
        bench.process.answer = OTHER_ROOTS
        bench.attach()
        await bench.later()
        assert bench.told(ROOTS) is None, "once may be half way through"
        await bench.later()
        assert "lacks" in bench.refusal(ROOTS)
        assert bench.checks.doubted(silent=False) == 1
        assert bench.refusal(SHOWN_LEAF) == ""
        bench.process.answer = SOUND
        await bench.later(AGAIN)
        assert bench.refusal(ROOTS) == ""
        assert bench.checks.doubted(silent=False) == 0

    played(story)


def test_another_leaf_in_use_is_named() -> None:
    async def story(bench: Bench) -> None:
        bench.process.answer = Shown((context(OLD_SERIAL, NEW_SERIAL, leaf=SERIAL + 1),))
        bench.attach()
        await bench.later(2 * STEP)
        assert f"{SERIAL + 1:x}" in bench.refusal(SHOWN_LEAF)

    played(story)


def test_an_update_that_it_counts_as_rejected_and_never_refused_is_a_doubt_until_a_later_one_is_taken_up() -> None:
    async def story(bench: Bench) -> None:
        bench.attach()
        await bench.later()
        assert bench.refusal(UPDATES) == ""
        bench.process.answer = replace(SOUND, subscriptions=(Subscription("listener_manager.lds", 1, 1),))
        await bench.later(AGAIN + 2 * STEP)
        assert "listener_manager.lds.update_rejected" in bench.refusal(UPDATES)
        assert bench.checks.doubted(silent=False) == 1
        bench.process.answer = replace(SOUND, subscriptions=(Subscription("listener_manager.lds", 1, 2),))
        await bench.later(AGAIN)
        assert bench.refusal(UPDATES) == ""

    played(story)


def test_an_update_that_it_refused_aloud_is_no_doubt() -> None:
    async def story(bench: Bench) -> None:
        bench.attach()
        await bench.later()
        bench.checks.refused(1)
        bench.process.answer = replace(SOUND, subscriptions=(Subscription("listener_manager.lds", 1, 1),))
        await bench.later(2 * AGAIN)
        assert bench.refusal(UPDATES) == ""

    played(story)


def test_what_is_not_answered_for_a_while_is_silence_until_it_is() -> None:
    async def story(bench: Bench) -> None:
        bench.attach()
        bench.checks.on_its_way(1, frozenset({"7"}))
        await bench.later(SILENT_AFTER / 2)
        bench.checks.on_its_way(1, frozenset({"7", "8"}))
        await bench.later(SILENT_AFTER / 2 + STEP)
        assert "has not answered" in bench.refusal(XDS)
        assert bench.checks.doubted(silent=True) == 1
        bench.checks.on_its_way(1, frozenset({"8"}))
        await bench.later()
        assert bench.refusal(XDS) == ""

    played(story)


def test_answers_that_come_are_no_silence_however_many_there_are() -> None:
    async def story(bench: Bench) -> None:
        bench.attach()
        for number in range(30):
            bench.checks.on_its_way(1, frozenset({str(number)}))
            await bench.later(2 * STEP)
            assert bench.refusal(XDS) == ""

    played(story)


def test_who_lost_its_stream_and_lives_is_silent_and_not_forgotten() -> None:
    async def story(bench: Bench) -> None:
        async with running(bench.uptake.run(bench.checks.lives)):
            await bench.clock.until_sleeping(2)
            bench.attach()
            bench.detach()
            await bench.later(2 * LINGER)
            assert "no xDS stream" in bench.refusal(XDS)
            assert bench.told(f"secret/{OWN}") is not None
            bench.process.is_alive = False
            await bench.later(LINGER)
            assert bench.uptake.holdings_of(PAY.service) == ()
            assert bench.process.is_closed

    played(story)


def test_one_that_connects_again_listens_again() -> None:
    async def story(bench: Bench) -> None:
        bench.attach()
        bench.detach()
        await bench.later(SILENT_AFTER + STEP)
        assert bench.refusal(XDS)
        bench.attach(2)
        await bench.later()
        assert bench.refusal(XDS) == ""
        bench.checks.detached(1)  # late news of the stream before
        await bench.later(SILENT_AFTER + STEP)
        assert bench.refusal(XDS) == ""

    played(story)


def test_a_proxy_that_says_it_is_not_connected_is_silent() -> None:
    async def story(bench: Bench) -> None:
        bench.process.answer = Shown(SOUND.contexts, is_connected=False)
        bench.attach()
        await bench.later(SILENT_AFTER + AGAIN + STEP)
        assert "not connected" in bench.refusal(XDS)

    played(story)


def test_a_mute_administration_is_silence_and_takes_no_proof_away() -> None:
    async def story(bench: Bench) -> None:
        bench.attach()
        await bench.later()
        bench.process.answer = Unavailable(code="envoy-admin-unreachable", what="mute", why="timeout", fix="look")
        await bench.later(SILENT_AFTER + 2 * AGAIN)
        assert "administration" in bench.refusal(XDS)
        assert bench.refusal(ROOTS) == ""
        assert bench.checks.failed_looks > 0

    played(story)


def test_an_administration_that_may_not_be_read_harms_nothing() -> None:
    async def story(bench: Bench) -> None:
        bench.process.answer = Refused(code="envoy-admin-not-asked", what="no", why="permission denied", fix="allow")
        bench.attach()
        await bench.later(SILENT_AFTER + 2 * AGAIN)
        assert bench.refusal(XDS) == ""
        assert bench.told(ROOTS) is None
        assert bench.process.looks <= 5

    played(story)


def test_one_without_an_administration_is_watched_over_xds_alone() -> None:
    async def story(bench: Bench) -> None:
        bench.process.can_be_asked = False
        bench.attach()
        await bench.later(AGAIN)
        assert bench.process.looks == 0
        assert bench.refusal(XDS) == ""

    played(story)


def test_an_agent_that_slept_takes_nobody_for_silent() -> None:
    async def story(bench: Bench) -> None:
        bench.attach()
        bench.checks.on_its_way(1, frozenset({"7"}))
        await bench.later()
        bench.clock.set_back(-(LATE + timedelta(hours=1)))
        await bench.later()
        assert bench.refusal(XDS) == ""
        await bench.later(SILENT_AFTER)
        assert bench.refusal(XDS)

    played(story)


def test_what_is_no_longer_asked_for_is_no_longer_told_of() -> None:
    async def story(bench: Bench) -> None:
        bench.attach()
        await bench.later()
        bench.uptake.report(NAME, Held(f"secret/{OWN}", "", ""))
        bench.offer = Offer(SECRETS[:1])
        await bench.later(2 * STEP)
        told = bench.told(ROOTS)
        assert told is None or (told.held, told.desired) == ("", "")

    played(story)


def test_a_peer_that_is_gone_is_not_watched() -> None:
    clock = VirtualClock()
    uptake = SidecarUptake(NODE, Outbox(), MemoryFile(), clock)
    checks = CrossCheckSidecars(lambda _: None, uptake, lambda *_: None, clock)
    checks.attached(NAME, 1, "peer", "")
    checks.on_its_way(1, frozenset({"1"}))
    checks.detached(1)
    assert not checks.lives(PAY.service)
