"""The most that any reading of the recorded texts could name right, on the very rows that are scored.

Two failures whose records are the same, but for what stands for a name, an instant or a number of one run, cannot be
told apart by any reader. Of each such group the best a reader can do is to answer its most frequent cause (each fault
is as likely as another), which is a bound for these rows and no aim: it knows how often the faults were injected. What
a group with a single cause says is told by the text; the rest of the bound is guessing.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from tests.kit.fault_score import Given, Scored
from tests.kit.faults import cause_for
from trustplane.handshake.failure import Claims, Failure
from trustplane.handshake.signature import plain

Evidence = tuple[tuple[object, ...], ...]

_NAME: Final = re.compile(r"spiffe://[^\s\]\"',|]+")
# What is of one run, or the name that the lab gave a front end after its fault.
_OF_A_RUN: Final = re.compile(
    r"^[\w.-]+~: |\b[0-9a-f]{16}:(?=error:)|\d{4}-\d\d-\d\dt\d\d:\d\d:\d\dz"
    r"|\b[a-z]{3} [a-z]{3} \d\d \d\d:\d\d:\d\d utc \d{4}|\b\d{10}\b|\b\d{1,6}(?= seconds (?:ago|in future))"
)


def evidence(one: Scored) -> Evidence:
    """All that a diagnosis of this text was given, in the form in which it is the same in every run."""
    names = _Names()
    return tuple(_of(failure, names) for failure in one.diagnosis.pair.failures)


def ceiling(found: Iterable[Scored]) -> float:
    """The share that a reader would name right who answers each group's most frequent cause."""
    groups = list(_groups(found).values())
    return _share(sum(max(causes.values()) for causes in groups), groups)


def told(found: Iterable[Scored]) -> float:
    """The share whose evidence comes with one cause alone."""
    groups = list(_groups(found).values())
    return _share(sum(causes.total() for causes in groups if len(causes) == 1), groups)


class _Names:
    """Each name and each trust domain by the order in which it is met: which are the same is kept, what they are is
    the lab's choice."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._domains: dict[str, int] = {}

    def shape(self, name: str) -> str:
        domain = self._domains.setdefault(name.removeprefix("spiffe://").partition("/")[0], len(self._domains))
        return self._names.setdefault(name, f"<name {len(self._names)} of {domain}>")

    def shaped(self, text: str) -> str:
        return _OF_A_RUN.sub("", _NAME.sub(lambda found: self.shape(found[0]), plain(text)))


def _of(failure: Failure, names: _Names) -> tuple[object, ...]:
    theirs, ours = (_claims(one, failure, names) for one in (failure.theirs, failure.ours))
    texts = names.shaped(failure.text), failure.flags, names.shaped(failure.details)
    return failure.implementation, failure.side, failure.build, failure.tls, *texts, theirs, ours


def _claims(of: Claims, failure: Failure, names: _Names) -> tuple[object, ...]:
    ended = failure.at is not None and of.not_after is not None and of.not_after < failure.at
    named = names.shape(of.spiffe_id) if of.spiffe_id else ""
    return named, bool(of.serial), of.not_after is not None, ended


def _groups(found: Iterable[Scored]) -> dict[Evidence, Counter[str]]:
    groups: dict[Evidence, Counter[str]] = defaultdict(Counter)
    for one in found:
        if one.given is Given.TEXT:
            groups[evidence(one)][cause_for(one.fault, one.build)] += 1
    return dict(groups)


def _share(of: int, groups: Iterable[Counter[str]]) -> float:
    every = sum(causes.total() for causes in groups)
    return round(of / every, 4) if every else 0.0
