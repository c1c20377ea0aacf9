"""Durations as the files of a trust repository say them."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)), ("s", timedelta(seconds=1)))


def as_written(duration: timedelta) -> str:
    """In the largest unit that divides it."""
    for name, unit in _UNITS:
        if duration and not duration % unit:
            return f"{duration // unit}{name}"
    return f"{duration.total_seconds()!r}s" if duration else "0s"
