"""The arithmetic that follows from the budgets: what it says of each profile, and which breaches nobody has waived.

A certificate issued by mistake is used for its whole lifetime at worst, so that must be below `mttd`. If the issuer
dies, the leaf due for renewal at the very end of its window has the least time left, and that must cover `mttr`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from trustplane.registry.budgets import BudgetRule, Budgets, ProfileName, Waiver
from trustplane.registry.durations import as_written
from trustplane.registry.model import LONGEST_LIFETIME, DesiredState, Profile
from trustplane.spiffe.names import ServiceName

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Measure:
    """One rule applied to one profile, with its arithmetic in words."""

    rule: BudgetRule
    holds: bool
    arithmetic: str


@dataclass(frozen=True, slots=True)
class Breach:
    """A profile that breaks a rule, with the services no waiver covers; no services: none uses it."""

    measure: Measure
    profile: Profile
    services: tuple[ServiceName, ...]


def worst_time_left(profile: Profile) -> timedelta:
    """From the death of the issuer to the first expiry, when some leaf had just reached the end of its window."""
    return profile.lifetime * (1 - profile.renew.closes)


def measures(profile: Profile, budgets: Budgets) -> tuple[Measure, ...]:
    """One for each budget that is stated."""
    found = []
    named, lifetime = f"{profile.name}@{profile.version}", as_written(profile.lifetime)
    if budgets.mttd is not None:
        holds = profile.lifetime < budgets.mttd
        said = f"lifetime {lifetime} is {'' if holds else 'not '}below mttd {as_written(budgets.mttd)}"
        found.append(Measure(BudgetRule.OUTLIVES_DETECTION, holds, f"{named}: {said}"))
    if budgets.mttr is not None:
        left = worst_time_left(profile)
        holds = left >= budgets.mttr
        product = f"{lifetime} x (1 - {100 * profile.renew.closes:g} %) = {as_written(left)}"
        said = f"{product}, {'not ' if holds else ''}below mttr {as_written(budgets.mttr)}"
        text = f"{named}: from issuer death to first expiry in the worst case: {said}"
        found.append(Measure(BudgetRule.EXPIRES_BEFORE_REPAIR, holds, text))
    return tuple(found)


def measured(state: DesiredState) -> Iterator[tuple[Profile, Measure]]:
    """Every profile that somebody wrote or uses. The built-in one, while nobody uses it, is nobody's decision."""
    used = {service.profile for service in state.services.values()}
    for name, profile in sorted(state.profiles.items()):
        if profile.version > 0 or name in used:
            yield from ((profile, measure) for measure in measures(profile, state.budgets))


def breaches(state: DesiredState, waivers: Iterable[Waiver]) -> tuple[Breach, ...]:
    """What `waivers` leaves of the broken rules. A profile is covered as itself, or by all services that use it."""
    waived = {(waiver.rule, waiver.target) for waiver in waivers}
    found = []
    for profile, measure in measured(state):
        if measure.holds or (measure.rule, ProfileName(profile.name)) in waived:
            continue
        users = sorted(one.name for one in state.services.values() if one.profile == profile.name)
        left = tuple(name for name in users if (measure.rule, name) not in waived)
        if left or not users:
            found.append(Breach(measure, profile, left))
    return tuple(found)


def waived_by(state: DesiredState, waiver: Waiver) -> Measure | None:
    """The broken rule that it sets aside; none: it waives nothing."""
    match waiver.target:
        case ProfileName(name):
            target = state.profiles.get(name)
        case service_name:
            service = state.services.get(service_name)
            target = state.profiles.get(service.profile) if service else None
    found = measures(target, state.budgets) if target else ()
    return next((one for one in found if one.rule is waiver.rule and not one.holds), None)


def latest_close(profile: Profile, mttr: timedelta) -> int | None:
    """The latest end of the renewal window, in percent, that leaves `mttr`; none when it would not be a window."""
    percent = 100 + (-100 * mttr // profile.lifetime)
    return percent if percent > round(100 * profile.renew.opens) else None


def shortest_lifetime(profile: Profile, budgets: Budgets) -> timedelta | None:
    """The shortest lifetime whose window leaves `mttr`; none when that is longer than a profile or `mttd` allows."""
    if budgets.mttr is None:
        return None
    share = 100 - round(100 * profile.renew.closes)
    lifetime = -(-100 * budgets.mttr // (share * _SECOND)) * _SECOND
    too_long = lifetime > LONGEST_LIFETIME or (budgets.mttd is not None and lifetime >= budgets.mttd)
    return None if too_long else lifetime
