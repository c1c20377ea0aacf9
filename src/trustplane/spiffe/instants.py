"""Instants carry a zone. One without would be read as local time by one library and as UTC by the next."""

from __future__ import annotations

from datetime import UTC, datetime

from trustplane.fault import Broken


def utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise Broken(
            code="instant-without-zone",
            what=f"the instant {at} has no time zone",
            why="expiry cannot be decided without knowing which instant is meant",
            fix="report this with the fault's traceback",
        )
    return at.astimezone(UTC)
