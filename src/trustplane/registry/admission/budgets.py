"""Profiles stay within the budgets, or a waiver that is in force says why not.

Which rules are broken does not depend on the day, so that is checked whenever a repository is read. Whether a waiver is
in force does, so that is checked where a change is admitted: a revision that was admitted before must still load after
the end of its waiver, and then says so.
"""

from __future__ import annotations

from datetime import datetime

from trustplane.fault import Finding, Place
from trustplane.registry.admission.waivers import check_references
from trustplane.registry.budget_rules import Breach, breaches, latest_close, shortest_lifetime, waived_by
from trustplane.registry.budgets import LONGEST_WAIVER, BudgetRule, Waiver
from trustplane.registry.draft import Draft, Drafted
from trustplane.registry.durations import as_written
from trustplane.registry.findings import Findings
from trustplane.registry.model import DesiredState, Profile

_MAX_NAMED = 5


def check_budgets(draft: Draft, findings: Findings) -> None:
    """Every waiver in the repository counts, whatever its end."""
    check_references(draft, findings)
    if len(draft.waivers) < len(draft.declared_waivers):
        return  # what a waiver that could not be read excuses is not known
    for breach in breaches(draft.state(), (drafted.value for drafted in draft.waivers.values())):
        _add(breach, draft, findings)


def check_waivers_in_force(draft: Draft, at: datetime, findings: Findings) -> None:
    """Those that have ended excuse nothing, and those that end too late are no exceptions but rules."""
    state = draft.state()
    in_force = []
    for _, drafted in sorted(draft.waivers.items()):
        if drafted.value.has_ended(at):
            findings.keep(_ended(state, drafted.value, drafted.place("until")))
        else:
            _check_end(drafted, at, findings)
            in_force.append(drafted.value)
    said_already = set(map(_subject, breaches(state, (drafted.value for drafted in draft.waivers.values()))))
    for breach in breaches(state, in_force):
        if _subject(breach) not in said_already:
            _add(breach, draft, findings)


def ended_waivers(state: DesiredState, at: datetime) -> tuple[Finding, ...]:
    """What to say of a state that was admitted earlier."""
    ended = (waiver for _, waiver in sorted(state.waivers.items()) if waiver.has_ended(at))
    return tuple(_ended(state, waiver, Place(waiver.file, 1)) for waiver in ended)


def _subject(breach: Breach) -> tuple[BudgetRule, str]:
    return breach.measure.rule, breach.profile.name


def _ended(state: DesiredState, waiver: Waiver, place: Place) -> Finding:
    broken = waived_by(state, waiver)
    return Finding(
        code="waiver-expired",
        what=f"the waiver of {waiver.rule.value} for {waiver.target} ended with {waiver.until.isoformat()} (UTC)",
        why=f"what it waived is still so: {broken.arithmetic}" if broken else "it waives nothing any more",
        fix=f"mend the profile and remove {waiver.file}, or let {waiver.owner} decide on a new end",
        place=place,
    )


def _check_end(drafted: Drafted[Waiver], at: datetime, findings: Findings) -> None:
    latest = (at + LONGEST_WAIVER).date()
    if drafted.value.until > latest:
        findings.add(
            code="waiver-too-long",
            what=f"this waiver runs until {drafted.value.until.isoformat()}",
            why=f"an exception is looked at again within {LONGEST_WAIVER.days} days; without that it is the rule",
            fix=f"write until: {latest.isoformat()} or an earlier day",
            place=drafted.place("until"),
        )


def _add(breach: Breach, draft: Draft, findings: Findings) -> None:
    name = breach.profile.name
    drafted = draft.profiles.get(name)
    users = _users(breach)
    match breach.measure.rule:
        case BudgetRule.OUTLIVES_DETECTION:
            place, stated = _places(drafted, draft, "mttd")
            findings.add(
                code="outlives-detection",
                what=breach.measure.arithmetic,
                why=f"a certificate issued by mistake could be used for longer than detecting it may take, which is "
                f"mttd at {stated}{users}",
                fix=f"write a lifetime below mttd in profiles/{name}.yaml, {_by_waiver(breach)}",
                place=place,
            )
        case BudgetRule.EXPIRES_BEFORE_REPAIR:
            place, stated = _places(drafted, draft, "mttr")
            findings.add(
                code="expires-before-repair",
                what=breach.measure.arithmetic,
                why=f"a leaf due for renewal at the end of its window would expire while the issuer may still be under "
                f"repair, which is mttr at {stated}{users}",
                fix=f"{_mended(breach, draft)} in profiles/{name}.yaml, {_by_waiver(breach)}",
                place=place,
            )


def _places(drafted: Drafted[Profile] | None, draft: Draft, budget: str) -> tuple[Place, Place]:
    """Of the profile's lifetime and of the budget. The built-in profile has no file, so the budget is all there is."""
    stated = draft.domain.place(budget)
    return (drafted.place("lifetime") if drafted else stated), stated


def _users(breach: Breach) -> str:
    named = ", ".join(map(str, breach.services[:_MAX_NAMED]))
    more = len(breach.services) - _MAX_NAMED
    return f"; used by {named}{f' and {more} more' if more > 0 else ''}" if named else "; no service uses it yet"


def _mended(breach: Breach, draft: Draft) -> str:
    """What would hold: a longer lifetime, or a window that closes earlier."""
    budgets, opens = draft.domain.value.budgets, round(100 * breach.profile.renew.opens)
    longer = shortest_lifetime(breach.profile, budgets)
    earlier = latest_close(breach.profile, budgets.mttr) if budgets.mttr else None
    ways = [f"lifetime: {as_written(longer)} or more"] if longer else []
    ways += [f"renew: {opens}%-{earlier}%"] if earlier else []
    return (
        f"write {' or '.join(ways)}" if ways else "write a longer lifetime and a window that opens and closes earlier"
    )


def _by_waiver(breach: Breach) -> str:
    rule = breach.measure.rule.value
    target = f"profile: {breach.profile.name} (or service:)"
    return f"or have it waived: waivers/<name>.yaml with waives: {rule}, {target}, reason, owner and until"
