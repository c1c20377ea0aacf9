"""The clock that driving code takes as an argument. Deciding code takes an instant and may not import this."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The instant, with its zone (UTC)."""
        ...

    async def sleep(self, duration: timedelta) -> None: ...
