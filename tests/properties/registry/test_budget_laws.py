"""What a finding on budgets suggests does hold, and the most that holds; a repository within them is admitted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.kit.repository import repository
from trustplane.fault import Refused
from trustplane.registry.budget_rules import latest_close, measures, shortest_lifetime
from trustplane.registry.budgets import Budgets
from trustplane.registry.model import LONGEST_LIFETIME, KeyKind, Profile, RenewalWindow
from trustplane.registry.repository import read

SECOND = timedelta(seconds=1)
SECONDS = st.integers(20, LONGEST_LIFETIME // SECOND).map(lambda count: count * SECOND)
WINDOWS = st.tuples(st.integers(10, 90), st.integers(10, 90)).filter(lambda ends: ends[0] < ends[1])
PROFILES = st.builds(
    lambda lifetime, ends: Profile(
        "standard", 1, KeyKind.P256, lifetime, timedelta(0), RenewalWindow(ends[0] / 100, ends[1] / 100)
    ),
    SECONDS,
    WINDOWS,
)


def holds(profile: Profile, budgets: Budgets) -> bool:
    return all(measure.holds for measure in measures(profile, budgets))


@given(PROFILES, SECONDS)
def test_the_lifetime_suggested_is_the_shortest_that_survives_a_repair(profile: Profile, mttr: timedelta) -> None:
    budgets = Budgets(mttr=mttr)
    suggested = shortest_lifetime(profile, budgets)
    if suggested is None:
        assert not holds(replace(profile, lifetime=LONGEST_LIFETIME), budgets)
    else:
        assert holds(replace(profile, lifetime=suggested), budgets)
        if suggested > 20 * SECOND:
            assert not holds(replace(profile, lifetime=suggested - SECOND), budgets)


@given(PROFILES, SECONDS)
def test_the_window_suggested_closes_as_late_as_a_repair_allows(profile: Profile, mttr: timedelta) -> None:
    def closing_at(percent: int) -> bool:
        window = RenewalWindow(profile.renew.opens, percent / 100)
        return holds(replace(profile, renew=window), Budgets(mttr=mttr))

    suggested, opens = latest_close(profile, mttr), round(100 * profile.renew.opens)
    if suggested is None:
        assert not closing_at(opens + 1)
    else:
        assert closing_at(min(suggested, 90))
        assert suggested >= 90 or not closing_at(suggested + 1)


@given(PROFILES, st.none() | SECONDS, st.none() | SECONDS)
def test_a_repository_is_refused_exactly_for_the_rules_its_profile_breaks(
    profile: Profile, mttd: timedelta | None, mttr: timedelta | None
) -> None:
    stated = {name: budget for name, budget in (("mttd", mttd), ("mttr", mttr)) if budget}
    lines = [f"{name}: {budget // SECOND}s\n" for name, budget in stated.items()]
    window = f"{round(100 * profile.renew.opens)}%-{round(100 * profile.renew.closes)}%"
    files = repository(
        trustdomain="trust_domain: acme.example\n" + "".join(lines),
        profiles__standard=f"lifetime: {profile.lifetime // SECOND}s\nrenew: {window}\n",
    )
    try:
        read(files)
        refused = set()
    except Refused as fault:
        refused = {finding.code for finding in fault.findings}
    share = 100 - round(100 * profile.renew.closes)
    expected = {
        *(["outlives-detection"] if mttd and profile.lifetime >= mttd else []),
        *(["expires-before-repair"] if mttr and profile.lifetime * share < 100 * mttr else []),
    }
    assert refused == expected
