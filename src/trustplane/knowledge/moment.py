"""A point of a time line as people write it: a day, or a minute or second in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from trustplane.fault import Refused
from trustplane.registry.fields import Fields, text
from trustplane.registry.findings import Findings, shown
from trustplane.registry.yaml_tree import Node

_MONTH: Final = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])")
_POINT: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?Z)?")


@dataclass(frozen=True, slots=True)
class Moment:
    """`on` as it was written, so that a day does not become midnight."""

    on: str
    event: str = ""

    def __post_init__(self) -> None:
        self.at()

    def at(self) -> datetime:
        try:
            if _POINT.fullmatch(self.on):
                return datetime.fromisoformat(self.on).replace(tzinfo=UTC)
        except ValueError:  # the thirtieth of February
            pass
        raise Refused(
            code="bad-moment",
            what=f"{shown(self.on)!r} is no point in time",
            why="a time line is in UTC, so that records of two machines can be laid beside each other",
            fix="write 2026-11-27, 2026-11-27 10:02Z or 2026-11-27 10:02:31Z",
        )


def point(node: Node) -> Moment:
    return Moment(text(node))


def dated(node: Node) -> str:
    """The day of a source, or its month where no more is known."""
    value = text(node)
    return value if _MONTH.fullmatch(value) else Moment(value).on


def moment(node: Node, findings: Findings) -> Moment | None:
    fields = Fields(node, {"at", "event"}, findings)
    at = fields.required("at", point, "2026-11-27 10:02Z")
    event = fields.required("event", text, "the first caller is refused")
    return Moment(at.on, event) if at and event else None
