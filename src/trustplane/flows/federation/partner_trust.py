"""Other trust domains as participants of a change of root: what each has shown, or the time it is given to fetch.

A statement that was verified while it was fresh stays a proof for as long as what it names is what we publish: like an
acknowledgement, it says what was taken up, and a bundle never goes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from trustplane.registry.partner_probes import Outcome, ShownProbe
from trustplane.rotation.root_change import Participant, RootChange, Seen, Survey
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.trust.authority import AuthorityId, AuthorityState
from trustplane.trust.federation import HINTS_BEFORE_USE
from trustplane.trust.partner import Rule, Shown

_HIDDEN = {AuthorityState.STAGED, AuthorityState.RETIRED}


@dataclass(frozen=True, slots=True)
class Partners:
    """With whom there are relations, what each has shown, and how long one that shows nothing is given.

    `called`: how many of its services ours are declared to call. `probes`: what those made of one, as nodes saw it.
    """

    names: tuple[TrustDomain, ...]
    shown: Mapping[TrustDomain, Shown]
    given: timedelta
    called: Mapping[TrustDomain, int] = field(default_factory=dict)
    probes: tuple[ShownProbe, ...] = ()


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
        asked = _probed(partners, name, change)
        shown = partners.shown.get(name, Shown(name))
        holds = shown.rule is Rule.TIME or (shown.statement is not None and shown.statement.proves(published))
        yield Seen(
            participant=participant(name),
            trusts=trusted if holds else doubtful,
            accepts=asked.accepts(),
            shows=frozenset(),
            since=shown.since or (shown.failure.since if shown.failure else None),
            is_away=_is_away(shown, at),
            rule=shown.rule,
            takes=partners.given if shown.rule is Rule.TIME else None,
            told=told(shown, published, partners.given) + asked.told(),
        )


@dataclass(frozen=True, slots=True)
class _Probed:
    """What the services of one other trust domain made of a probe below the root to come."""

    coming: AuthorityId | None
    called: int
    probes: tuple[ShownProbe, ...]

    def accepts(self) -> frozenset[AuthorityId] | None:
        """None where no handshake was judged: who did not answer has refused nothing."""
        ended = {one.outcome for one in self.probes} - {Outcome.NOT_REACHED}
        if not ended or self.coming is None:
            return None
        return frozenset() if Outcome.REFUSED in ended else frozenset({self.coming})

    def told(self) -> str:
        refused = [one for one in self.probes if one.outcome is Outcome.REFUSED]
        if refused:
            first, more = refused[0], len(refused) - 1
            others = f" (and {more} more refusals)" if more else ""
            return f"; {first.callee}, asked from {first.node}, refuses the new root: {first.refusal[:300]}{others}"
        if not self.probes:
            will = f"; {_services(self.called)} that ours call will be shown a certificate below the new root"
            return will if self.called and self.coming is None else ""
        let_in = {one.callee for one in self.probes if one.outcome is Outcome.LET_IN}
        silent = {one.callee for one in self.probes} - let_in
        parts = [f"; {_services(len(let_in))} of it let in the new root"] if let_in else []
        parts += [f"; {_services(len(silent))} of it could not be reached"] if silent else []
        return "".join(parts)


def _probed(partners: Partners, name: TrustDomain, change: RootChange | None) -> _Probed:
    coming = change.coming if change else None
    asked = tuple(
        one
        for one in partners.probes
        if change and coming and one.callee.trust_domain == name and one.root == coming.key_id
    )
    return _Probed(coming, partners.called.get(name, 0) if change else 0, asked)


def _services(count: int) -> str:
    return f"{count} service{'' if count == 1 else 's'}"


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
