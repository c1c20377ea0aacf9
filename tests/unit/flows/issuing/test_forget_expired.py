"""Certificates leave a week after they expired, and a store that is away for a while only delays that."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from tests.kit.clock import START, VirtualClock
from trustplane.fault import Unavailable
from trustplane.flows.issuing.forget_expired import INTERVAL, KEPT_AFTER_EXPIRY, ForgetExpired


class Certificates:
    def __init__(self, *, away: int = 0) -> None:
        self.asked: list[datetime] = []
        self._away = away

    async def prune_certificates(self, expired_before: datetime) -> int:
        self.asked.append(expired_before)
        if len(self.asked) <= self._away:
            raise Unavailable(code="store-busy", what="busy", why="busy", fix="wait")
        return 1


async def run_for(certificates: Certificates, duration: timedelta) -> None:
    clock = VirtualClock(START)
    running = asyncio.create_task(ForgetExpired(certificates, clock).run())
    await clock.until_sleeping(1)
    passed = timedelta(0)
    while passed < duration:
        await clock.advance(INTERVAL)
        await clock.until_sleeping(1)
        passed += INTERVAL
    running.cancel()


def test_what_expired_a_week_ago_is_let_go_again_and_again() -> None:
    certificates = Certificates()
    asyncio.run(run_for(certificates, 2 * INTERVAL))
    assert certificates.asked == [START - KEPT_AFTER_EXPIRY + n * INTERVAL for n in range(3)]


def test_a_store_that_is_away_is_asked_again() -> None:
    certificates = Certificates(away=1)
    asyncio.run(run_for(certificates, INTERVAL))
    assert len(certificates.asked) == 2
