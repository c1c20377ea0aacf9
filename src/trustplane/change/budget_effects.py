"""What a change does to the budgets' arithmetic, shown at what brought it: the profile, the budget or the waiver."""

from __future__ import annotations

from collections.abc import Iterator

from trustplane.change.described import Kind
from trustplane.change.effect import Effect, Subject
from trustplane.registry.budget_rules import Measure, measured, waived_by
from trustplane.registry.budgets import Budgets, ProfileName, Waiver
from trustplane.registry.model import DesiredState, Profile

_ASKED = {
    "mttd": "how long a wrong certificate may be used",
    "mttr": "how long an outage of the issuer must be survived",
}


def of_budgets(old: DesiredState | None, new: DesiredState) -> Iterator[tuple[Subject, Effect]]:
    yield from _of_measures(old, new)
    yield from _of_waivers(old, new)
    for name in _stated(old.budgets if old else Budgets()):
        if name not in _stated(new.budgets):
            text = f"{name} is gone: nothing says any more {_ASKED[name]}"
            yield (Kind.TRUST_DOMAIN, new.trust_domain.name), Effect(text, dangerous=True)


def budget_notes(state: DesiredState) -> tuple[str, ...]:
    """What no budget asks for."""
    absent = [name for name in _ASKED if name not in _stated(state.budgets)]
    if not absent:
        return ()
    asked = " or ".join(_ASKED[name] for name in absent)
    return (f"trustdomain.yaml states no {' and no '.join(absent)}, so nothing says {asked}",)


def _stated(budgets: Budgets) -> frozenset[str]:
    both = {"mttd": budgets.mttd, "mttr": budgets.mttr}
    return frozenset(name for name, budget in both.items() if budget is not None)


def _of_measures(old: DesiredState | None, new: DesiredState) -> Iterator[tuple[Subject, Effect]]:
    """A line at each profile that changed; at the trust domain for the others, if a budget did."""
    before = set(measured(old)) if old else set()
    for profile, measure in measured(new):
        if (profile, measure) not in before:
            changed = old is None or old.profiles.get(profile.name) != profile
            subject = (Kind.PROFILE, profile.name) if changed else (Kind.TRUST_DOMAIN, new.trust_domain.name)
            yield subject, _measured(measure, profile, new)


def _measured(measure: Measure, profile: Profile, state: DesiredState) -> Effect:
    if measure.holds:
        return Effect(measure.arithmetic)
    waivers = (one for _, one in sorted(state.waivers.items()) if one.rule is measure.rule)
    waived = "; ".join(one.in_words() for one in waivers if _profile_of(one, state) == profile.name)
    return Effect(f"{measure.arithmetic}: {waived}", dangerous=True)


def _profile_of(waiver: Waiver, state: DesiredState) -> str:
    match waiver.target:
        case ProfileName(name):
            return name
        case service:
            return state.services[service].profile


def _of_waivers(old: DesiredState | None, new: DesiredState) -> Iterator[tuple[Subject, Effect]]:
    before = old.waivers if old else {}
    for name, waiver in new.waivers.items():
        broken = waived_by(new, waiver)
        if before.get(name) != waiver and broken:
            text = f"{waiver.owner} sets aside until {waiver.until.isoformat()}: {broken.arithmetic}"
            yield (Kind.WAIVER, name), Effect(text, dangerous=True)
