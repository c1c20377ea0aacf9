"""What is known to fail: what proxies refused or are in doubt about, in groups, and every cause that has a name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from trustplane.console.services import Held, held
from trustplane.handshake.causes import CAUSES, Cause
from trustplane.registry.records import Holding
from trustplane.registry.uptake import Uptake
from trustplane.xds.cross_check import PROXY

MOST_GROUPS = 50
MOST_IN_A_GROUP = 20
_VARIES = re.compile(r"[0-9a-f]{8,}|\d+")


@dataclass(frozen=True, slots=True)
class Group:
    """Refusals that differ only in numbers and digests. `runbook` is what to do about such a one."""

    said: str
    examples: tuple[Held, ...]
    count: int
    since: datetime
    runbook: str


@dataclass(frozen=True, slots=True)
class Failures:
    groups: tuple[Group, ...]
    left_off: int
    unread: int  # things that may belong to these groups, or to others
    causes: tuple[Cause, ...]


def failures(uptake: Uptake) -> Failures:
    by_shape: defaultdict[str, list[Holding]] = defaultdict(list)
    for one in uptake.otherwise:
        if one.refusal:
            by_shape[_VARIES.sub("#", one.refusal[:500])].append(one)
    groups = sorted(map(_group, by_shape.values()), key=lambda one: (-one.count, one.said))
    return Failures(
        tuple(groups[:MOST_GROUPS]), max(0, len(groups) - MOST_GROUPS), uptake.left_off, tuple(CAUSES.values())
    )


def _group(alike: Sequence[Holding]) -> Group:
    newest = sorted(alike, key=lambda one: one.since, reverse=True)
    in_doubt = newest[0].thing.startswith(PROXY)
    return Group(
        said=newest[0].refusal,
        examples=tuple(map(held, newest[:MOST_IN_A_GROUP])),
        count=len(alike),
        since=newest[-1].since,
        runbook="hidden-rejection" if in_doubt else "delivery",
    )
