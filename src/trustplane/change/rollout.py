"""A rollout as a deploy system tells of it: which services or nodes get which version, from when until when.

Told by somebody else: every part is checked when the value is made, and the same rollout told again is the same one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trustplane.fault import Refused, Unavailable
from trustplane.spiffe.instants import utc
from trustplane.spiffe.names import NodeName, ServiceName

KEPT_FOR = timedelta(days=30)
CLOCKS_DIFFER = timedelta(minutes=5)
MAX_REFERENCE = 200
MAX_VERSION = 100
MOST_SERVICES = 500
MOST_NODES = 5000
MOST_AN_HOUR = 600  # of one deploy system
MOST = 20_000  # in all; the oldest go

# What a version or a link to a pipeline is written with, and nothing that a shell, a terminal or a page reads.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+#=,~-]*")


@dataclass(frozen=True, slots=True)
class Rollout:
    """`told_by` is the deploy system. `reference` is its own name for the rollout: told again, it is the same one."""

    told_by: str
    reference: str
    version: str
    services: frozenset[ServiceName]
    nodes: frozenset[NodeName]
    started: datetime
    ended: datetime | None = None

    def __post_init__(self) -> None:
        _check_word("reference", self.reference, MAX_REFERENCE)
        _check_word("version", self.version, MAX_VERSION)
        if not self.services and not self.nodes:
            raise _bad("it names neither services nor nodes", "what it changes is what it can be blamed for")
        if len(self.services) > MOST_SERVICES or len(self.nodes) > MOST_NODES:
            raise _bad("it names too many", f"at most {MOST_SERVICES} services and {MOST_NODES} nodes are kept")
        object.__setattr__(self, "started", utc(self.started))
        if self.ended is not None:
            object.__setattr__(self, "ended", utc(self.ended))
            if self.ended < self.started:
                raise _bad("it ended before it started", "an end comes after its start")

    def check_told_at(self, now: datetime) -> None:
        """What is far in the future or no longer kept helps nobody."""
        last = max(self.started, self.ended or self.started)
        if last > now + CLOCKS_DIFFER:
            raise _bad(
                f"it is of {last:%Y-%m-%d %H:%M:%SZ}, and here it is {now:%Y-%m-%d %H:%M:%SZ}",
                "what has not begun cannot have caused anything, and a wrong clock blames the wrong change",
            )
        if self.started < now - KEPT_FOR:
            raise _bad(f"it started {(now - self.started).days} days ago", f"{KEPT_FOR.days} days are kept")

    def merged(self, told: Rollout) -> Rollout:
        """This one after it was told again: an end may come later, and nothing else may change."""
        if replace(told, ended=self.ended) != self or (self.ended and told.ended and told.ended != self.ended):
            raise Refused(
                code="rollout-differs",
                what=f"rollout {self.reference} was told before, and otherwise",
                why="one reference is one rollout; only its end may be told later",
                fix="give every rollout a reference of its own, such as the number of its pipeline",
            )
        return replace(self, ended=self.ended or told.ended)


@dataclass(frozen=True, slots=True)
class Told:
    """`is_new` is false for what was told before. The unknown ones are kept all the same: they may come later."""

    rollout: Rollout
    is_new: bool
    unknown_services: tuple[ServiceName, ...] = ()
    unknown_nodes: tuple[NodeName, ...] = ()


def too_many(wait: timedelta) -> Unavailable:
    return Unavailable(
        code="too-many-rollouts",
        what=f"{MOST_AN_HOUR} rollouts were told with this token within an hour",
        why="a loop in a pipeline would push out what others told",
        fix="tell of one rollout once, at its start and again at its end",
        retry_after=wait,
    )


def _check_word(kind: str, text: str, most: int) -> None:
    if len(text) > most or not _WORD.fullmatch(text):
        raise _bad(
            f"{text!r:.80} is no {kind}",
            f"it is 1 to {most} letters, digits and ._:/@+#=,~- and begins with a letter or a digit",
        )


def _bad(what: str, why: str) -> Refused:
    return Refused(
        code="bad-rollout",
        what=f"the rollout is not taken: {what}",
        why=why,
        fix='send {"reference": "pipeline/812", "version": "1.37.2", "services": ["shop/pay"], "started": "..."}',
    )
