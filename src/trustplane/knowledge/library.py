"""All that is known about trouble, in one value: what is recognised, what causes it, what to do, what has happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trustplane.knowledge.alert import Alert
from trustplane.knowledge.postmortem import Known, Postmortem
from trustplane.knowledge.runbook import Runbook
from trustplane.knowledge.search import Entry, Index


@dataclass(frozen=True, slots=True)
class Sign:
    """A signature, as far as it leads somewhere."""

    id: str
    texts: str
    tells: str
    causes: tuple[str, ...]
    runbook: str


@dataclass(frozen=True, slots=True)
class Reason:
    """A cause, as far as it leads somewhere."""

    id: str
    meaning: str
    fix: str
    command: str
    runbook: str


@dataclass(frozen=True, slots=True)
class Library:
    """`proved` are the alerts that were seen to fire on what they are for, and to be silent otherwise."""

    runbooks: tuple[Runbook, ...]
    alerts: tuple[Alert, ...]
    postmortems: tuple[Postmortem, ...]
    signs: tuple[Sign, ...]
    reasons: tuple[Reason, ...]
    proved: frozenset[str]

    def known(self) -> Known:
        return Known(
            causes=frozenset(one.id for one in self.reasons),
            signatures=frozenset(one.id for one in self.signs),
            alerts=frozenset(one.name for one in self.alerts),
            runbooks=frozenset(one.slug for one in self.runbooks),
        )

    def index(self) -> Index:
        return Index(tuple(self._entries()))

    def _entries(self) -> Iterator[Entry]:
        yield from map(_of_runbook, self.runbooks)
        yield from map(_of_alert, self.alerts)
        for reason in self.reasons:
            body = f"{reason.meaning}\n{reason.fix}\n{reason.command}"
            yield Entry("cause", reason.id, reason.meaning, (), (reason.runbook,), body, reason.runbook)
        by_name: dict[str, list[Sign]] = {}
        for sign in self.signs:
            by_name.setdefault(sign.id, []).append(sign)
        yield from map(_of_signs, by_name.values())
        yield from map(_of_postmortem, self.postmortems)


def _of_runbook(one: Runbook) -> Entry:
    return Entry("runbook", one.slug, one.title, one.causes, (*one.signatures, *one.alerts), one.body, one.slug)


def _of_alert(one: Alert) -> Entry:
    body = f"{one.summary}\n{one.why}\n{one.command}"
    return Entry("alert", one.name, one.summary, (), (one.runbook,), body, one.runbook)


def _of_signs(same: list[Sign]) -> Entry:
    """Several texts have one id where programs say one thing in several ways."""
    first = same[0]
    texts = "\n".join(dict.fromkeys(one.texts for one in same))
    return Entry("signature", first.id, texts, (), first.causes, f"{texts}\n{first.tells}", first.runbook)


def _of_postmortem(one: Postmortem) -> Entry:
    values = "\n".join(f"{wrong.of} {wrong.which}: {wrong.field} was {wrong.was}" for wrong in one.misconfigured)
    said = "\n".join((*(moment.event for moment in one.timeline), one.detected, *one.prevented_by))
    links = (*one.causes, *one.signatures, *one.alerts, *one.runbooks)
    page = one.runbooks[0] if one.runbooks else ""
    return Entry("postmortem", one.slug, one.title, (one.happened_to,), links, f"{values}\n{one.body}\n{said}", page)
