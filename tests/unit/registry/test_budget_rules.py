from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.repository import WEB, repository
from trustplane.fault import Refused
from trustplane.registry.budget_rules import (
    breaches,
    latest_close,
    measured,
    measures,
    shortest_lifetime,
    worst_time_left,
)
from trustplane.registry.budgets import BudgetRule, Budgets
from trustplane.registry.model import KeyKind, Profile, RenewalWindow
from trustplane.registry.repository import read
from trustplane.spiffe.names import ServiceName

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def profile(lifetime: timedelta, opens: float = 0.5, closes: float = 0.75) -> Profile:
    return Profile("standard", 2, KeyKind.P256, lifetime, timedelta(0), RenewalWindow(opens, closes))


def test_a_lifetime_is_below_mttd_and_not_equal_to_it() -> None:
    (equal,) = measures(profile(12 * HOUR), Budgets(mttd=12 * HOUR))
    assert (equal.rule, equal.holds) == (BudgetRule.OUTLIVES_DETECTION, False)
    assert equal.arithmetic == "standard@2: lifetime 12h is not below mttd 12h"
    (below,) = measures(profile(12 * HOUR - timedelta(seconds=1)), Budgets(mttd=12 * HOUR))
    assert below.holds
    assert below.arithmetic == "standard@2: lifetime 43199s is below mttd 12h"


def test_the_worst_time_left_may_equal_mttr() -> None:
    (equal,) = measures(profile(32 * HOUR), Budgets(mttr=8 * HOUR))
    assert (equal.rule, equal.holds) == (BudgetRule.EXPIRES_BEFORE_REPAIR, True)
    assert equal.arithmetic.endswith("in the worst case: 32h x (1 - 75 %) = 8h, not below mttr 8h")
    (below,) = measures(profile(24 * HOUR), Budgets(mttr=8 * HOUR))
    assert not below.holds
    assert below.arithmetic == (
        "standard@2: from issuer death to first expiry in the worst case: 1d x (1 - 75 %) = 6h, below mttr 8h"
    )


def test_shares_that_are_no_binary_fractions_give_whole_durations() -> None:
    assert worst_time_left(profile(timedelta(days=90), 0.5, 0.9)) == timedelta(days=9)
    assert worst_time_left(profile(HOUR, 0.5, 0.7)) == 18 * MINUTE


def test_without_a_budget_nothing_is_measured() -> None:
    assert measures(profile(HOUR), Budgets()) == ()
    assert len(measures(profile(HOUR), Budgets(mttd=HOUR, mttr=HOUR))) == 2


@pytest.mark.parametrize("budget", [timedelta(0), timedelta(days=-1), timedelta(days=366)])
def test_a_budget_is_more_than_nothing_and_at_most_a_year(budget: timedelta) -> None:
    with pytest.raises(Refused, match="bad-budget"):
        Budgets(mttd=budget)
    with pytest.raises(Refused, match="bad-budget"):
        Budgets(mttr=budget)


def test_the_built_in_profile_counts_only_while_a_service_uses_it() -> None:
    budgets = "{trust_domain: acme.example, mttd: 2h}"
    used = read(repository(trustdomain=budgets))
    assert [one.name for one, _ in measured(used)] == ["standard"]
    unused = read(repository(trustdomain=budgets[:-1] + ", default_profile: short}", profiles__short="lifetime: 5m"))
    assert [one.name for one, _ in measured(unused)] == ["short"]


def test_a_profile_that_somebody_wrote_counts_before_a_service_uses_it() -> None:
    state = read(repository(trustdomain="{trust_domain: acme.example, mttd: 2h}", profiles__spare="lifetime: 10m"))
    assert [one.name for one, _ in measured(state)] == ["spare", "standard"]


def test_a_breach_names_the_services_that_no_waiver_covers() -> None:
    waiver = "{waives: outlives-detection, service: shop/web, reason: r, owner: shop-team, until: 2030-01-01}"
    state = read(
        repository(
            trustdomain="{trust_domain: acme.example, mttd: 2h}",
            profiles__long="lifetime: 3h",
            shop__web=WEB + "profile: long\n",
            waivers__web=waiver,
        )
    )
    assert breaches(state, state.waivers.values()) == ()
    (breach,) = breaches(state, ())
    assert (breach.profile.name, breach.services) == ("long", (ServiceName("shop", "web"),))


def test_what_would_hold_is_suggested_only_where_it_can_be() -> None:
    day = profile(24 * HOUR)
    assert latest_close(day, 8 * HOUR) == 66
    assert shortest_lifetime(day, Budgets(mttr=8 * HOUR)) == 32 * HOUR
    assert latest_close(day, 12 * HOUR) is None, "the window would close as it opens"
    assert shortest_lifetime(day, Budgets(mttd=32 * HOUR, mttr=8 * HOUR)) is None
    assert shortest_lifetime(day, Budgets(mttr=timedelta(days=23))) is None, "more than 90 days"
