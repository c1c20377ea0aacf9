"""The figures behind a picture as CSV (RFC 4180), for whoever wants to reckon with them.

A cell that a spreadsheet would take for a formula is written as text: names come from other people.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

from trustplane.console.overview import Timeline
from trustplane.console.services import ServicePage
from trustplane.console.text import machine_instant, neutral, serial_text

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def expiries(timeline: Timeline) -> str:
    rows = (
        (
            one.service,
            one.node,
            serial_text(one.serial),
            machine_instant(one.at),
            int(one.left.total_seconds()),
            int(one.lifetime.total_seconds()) if one.lifetime else "",
        )
        for one in timeline.bars
    )
    return _written(("service", "node", "serial", "ends", "seconds_left", "lifetime_seconds"), rows)


def failures(by_hour: Sequence[tuple[datetime, int]]) -> str:
    return _written(("hour", "failed_handshakes"), ((machine_instant(hour), count) for hour, count in by_hour))


def calls(page: ServicePage) -> str:
    name = page.service.name
    rows = (*((one.name, name) for one in page.callers), *((name, one) for one in page.callees))
    return _written(("caller", "callee"), rows)


def _written(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    into = io.StringIO()
    writer = csv.writer(into)
    writer.writerow(heads)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return into.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, int):
        return value
    text = neutral(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
