"""What sidecars are is told when it changes, and now and then all the same."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.handshakes import HELD
from tests.kit.policies import PAYMENTS
from trustplane.fault import Refused
from trustplane.flows.records.tell_setups import AGAIN, STEP, SetupOf, TellSetups
from trustplane.handshake.failure import NOBODY, Claims
from trustplane.handshake.reported import Held
from trustplane.handshake.setup import Became, Setup
from trustplane.spiffe.names import ServiceName


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.listening = frozenset({PAYMENTS})
        self.build: tuple[int, ...] = (1, 39, 3)
        self.told: list[Became] = []
        self.has_room = True
        of = SetupOf(self._given, lambda _: self.build, "0.9.1")
        self.telling = TellSetups(lambda: self.listening, of, self, self.clock)

    def _given(self, service: ServiceName, at: datetime) -> tuple[Held, Claims]:
        assert (service, at) == (PAYMENTS, self.clock.now())
        return HELD, NOBODY

    def became(self, one: Became) -> bool:
        self.told += [one] if self.has_room else []
        return self.has_room

    def look(self) -> list[Setup]:
        self.telling.look()
        asyncio.run(self.clock.advance(STEP))
        return [one.setup for one in self.told]


OLD, NEW = (Setup(build, "0.9.1", HELD.bundle, HELD.revision) for build in ("1.39.3", "1.40.0"))


def test_only_a_change_is_told() -> None:
    bench = Bench()
    assert [bench.look() for _ in range(3)][-1] == [OLD]
    bench.build = (1, 40, 0)
    assert [bench.look() for _ in range(3)][-1] == [OLD, NEW]


def test_what_found_no_room_is_told_at_the_next_look() -> None:
    bench = Bench()
    bench.has_room = False
    assert bench.look() == []
    bench.has_room = True
    assert bench.look() == [OLD]


def test_it_is_told_again_after_an_hour() -> None:
    bench = Bench()
    bench.look()
    asyncio.run(bench.clock.advance(AGAIN))
    assert bench.look() == [OLD, OLD]


def test_a_sidecar_that_does_not_listen_is_nothing_yet() -> None:
    bench = Bench()
    bench.listening = frozenset()
    assert bench.look() == []


@pytest.mark.parametrize("broken", [{"envoy": "1.40 beta"}, {"agent": "x" * 65}, {"bundle": "\n"}, {"revision": -1}])
def test_what_can_be_no_setup_is_refused(broken: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        Setup(**broken)  # type: ignore[arg-type] # one field of either type
    assert refused.value.code == "bad-setup"


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(Refused):
        Became(PAYMENTS, datetime(2030, 1, 1) + timedelta(0), OLD)  # noqa: DTZ001 - that is what is refused
