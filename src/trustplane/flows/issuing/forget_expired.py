"""Letting go of certificates that expired long ago. The audit log keeps saying that they were issued."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Unavailable

KEPT_AFTER_EXPIRY = timedelta(days=7)  # a week of answers to "what was that serial?"
INTERVAL = timedelta(minutes=10)


class Certificates(Protocol):
    async def prune_certificates(self, expired_before: datetime) -> int:
        """How many were let go."""
        ...


class ForgetExpired:
    def __init__(self, certificates: Certificates, clock: Clock) -> None:
        self._certificates = certificates
        self._clock = clock
        self._log = structlog.get_logger("retention")

    async def run(self) -> None:
        while True:
            try:
                gone = await self._certificates.prune_certificates(self._clock.now() - KEPT_AFTER_EXPIRY)
            except Unavailable as fault:
                self._log.warning("expired certificates not let go", code=fault.code, what=fault.finding.what)
            else:
                if gone:
                    self._log.info("expired certificates let go", count=gone)
            await self._clock.sleep(INTERVAL)
