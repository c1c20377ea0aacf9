"""Other trust domains as participants of a change of root: what each has shown, or the time it is given to fetch.

A statement that was verified while it was fresh stays a proof for as long as what it names is what we publish: like an
acknowledgement, it says what was taken up, and a bundle never goes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trustplane.rotation.root_change import Participant, RootChange, Seen, Survey
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.trust.authority import AuthorityId, AuthorityState
from trustplane.trust.federation import HINTS_BEFORE_USE
from trustplane.trust.partner import Rule, Shown

_HIDDEN = {AuthorityState.STAGED, AuthorityState.RETIRED}


@dataclass(frozen=True, slots=True)
class Partners:
    """With whom there are relations, what each has shown, and how long one that shows nothing is given."""

    names: tuple[TrustDomain, ...]
    shown: Mapping[TrustDomain, Shown]
    given: timedelta


NOBODY = Partners((), {}, timedelta(0))


def with_partners(
    survey: Survey, partners: Partners, published: Bundle, change: RootChange | None, at: datetime
) -> Survey:
    """The survey, with other trust domains in it. `published`: our bundle, as this server publishes it now."""
    others = _seen(partners, published, survey.roots, change, at)
    return replace(survey, seen=tuple(sorted((*survey.seen, *others), key=lambda one: one.participant)))


def _seen(
    partners: Partners,
    published: Bundle,
    roots: Mapping[AuthorityId, AuthorityState],
    change: RootChange | None,
    at: datetime,
) -> Iterable[Seen]:
    trusted = frozenset(root for root, state in roots.items() if state not in _HIDDEN)
    doubtful = frozenset(roots) - {change.coming if change else None}
    for name in partners.names:
        shown = partners.shown.get(name, Shown(name))
        holds = shown.rule is Rule.TIME or (shown.statement is not None and shown.statement.proves(published))
        yield Seen(
            participant=participant(name),
            trusts=trusted if holds else doubtful,
            accepts=None,
            shows=frozenset(),
            since=shown.since or (shown.failure.since if shown.failure else None),
            is_away=_is_away(shown, at),
            rule=shown.rule,
            takes=partners.given if shown.rule is Rule.TIME else None,
            told=told(shown, published, partners.given),
        )


def participant(name: TrustDomain) -> Participant:
    return Participant(f"domain {name}")


def _is_away(shown: Shown, at: datetime) -> bool:
    """Nothing can be known of it now."""
    return shown.statement is None or at >= shown.statement.expires_at


def told(shown: Shown, published: Bundle, given: timedelta) -> str:
    """What is known of it, in words."""
    statement = shown.statement
    if statement is None:
        if shown.rule is Rule.TIME:
            return f"shows no statement: it is given {HINTS_BEFORE_USE} refresh hints, {_span(given)}, to fetch"
        why = f" ({shown.failure.finding.code})" if shown.failure else ""
        return f"has not answered yet whether it makes statements{why}"
    failing = f"; none that is newer: {shown.failure.finding.code}" if shown.failure else ""
    if statement.proves(published):
        return f"holds sequence {statement.sequence} everywhere{failing}"
    if statement.x509_digest != published.x509_digest:
        return f"holds sequence {statement.sequence} of our bundle, which is another by now{failing}"
    return (
        f"does not hold sequence {statement.sequence} everywhere: {statement.behind} participants are behind{failing}"
    )


def _span(length: timedelta) -> str:
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    return f"{minutes} min" if minutes and not seconds else f"{int(length.total_seconds())} s"
