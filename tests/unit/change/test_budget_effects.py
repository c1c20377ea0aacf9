from __future__ import annotations

from tests.kit.repository import WEB, repository
from trustplane.change.described import Kind
from trustplane.change.plan import Plan, plan
from trustplane.registry.repository import read

BARE = "trust_domain: acme.example\n"
BUDGETS = BARE + "mttd: 4h\nmttr: 10m\n"
WAIVER = "{waives: outlives-detection, profile: standard, reason: r, owner: shop-team, until: 2030-02-01}"
HOLDS = [
    "standard@0: from issuer death to first expiry in the worst case: 1h x (1 - 75 %) = 15m, not below mttr 10m",
    "standard@0: lifetime 1h is below mttd 4h",
]


def effects(found: Plan, kind: Kind) -> list[tuple[str, bool]]:
    return [(effect.text, effect.dangerous) for item in found.items if item.kind is kind for effect in item.effects]


def test_the_first_plan_shows_the_arithmetic_at_each_profile() -> None:
    found = plan(None, read(repository(trustdomain=BUDGETS)))
    assert effects(found, Kind.PROFILE) == [(text, False) for text in HOLDS]
    assert effects(found, Kind.TRUST_DOMAIN) == []
    assert found.notes == ()


def test_a_new_budget_shows_the_arithmetic_of_every_profile_it_measures() -> None:
    found = plan(read(repository()), read(repository(trustdomain=BUDGETS)))
    (item,) = found.items
    assert [(one.field, one.old, one.new) for one in item.fields] == [("mttd", "", "4h"), ("mttr", "", "10m")]
    assert effects(found, Kind.TRUST_DOMAIN) == [(text, False) for text in HOLDS]


def test_a_changed_budget_shows_only_the_rule_it_changes() -> None:
    found = plan(read(repository(trustdomain=BUDGETS)), read(repository(trustdomain=BUDGETS.replace("4h", "2h"))))
    assert effects(found, Kind.TRUST_DOMAIN) == [("standard@0: lifetime 1h is below mttd 2h", False)]


def test_a_changed_profile_shows_its_own_arithmetic() -> None:
    before = read(repository(trustdomain=BUDGETS, profiles__long="version: 1\nlifetime: 2h"))
    after = read(repository(trustdomain=BUDGETS, profiles__long="version: 2\nlifetime: 3h"))
    assert effects(plan(before, after), Kind.PROFILE) == [
        (
            "long@2: from issuer death to first expiry in the worst case: 3h x (1 - 75 %) = 45m, not below mttr 10m",
            False,
        ),
        ("long@2: lifetime 3h is below mttd 4h", False),
        ("the next SVIDs of 0 services follow it", False),
    ]


def test_a_budget_that_goes_is_dangerous() -> None:
    found = plan(read(repository(trustdomain=BUDGETS)), read(repository(trustdomain=BARE + "mttd: 4h\n")))
    assert effects(found, Kind.TRUST_DOMAIN) == [
        ("mttr is gone: nothing says any more how long an outage of the issuer must be survived", True)
    ]


def test_what_is_waived_is_dangerous_and_says_until_when_and_where() -> None:
    strict = BARE + "mttd: 1h\nmttr: 10m\n"
    found = plan(read(repository(trustdomain=BUDGETS)), read(repository(trustdomain=strict, waivers__terminals=WAIVER)))
    said = "standard@0: lifetime 1h is not below mttd 1h"
    assert effects(found, Kind.TRUST_DOMAIN) == [(f"{said}: waived until 2030-02-01 by waivers/terminals.yaml", True)]
    assert effects(found, Kind.WAIVER) == [(f"shop-team sets aside until 2030-02-01: {said}", True)]


def test_a_waiver_with_a_later_end_says_again_what_it_waives() -> None:
    strict = BARE + "mttd: 1h\nmttr: 10m\n"
    before = read(repository(trustdomain=strict, waivers__terminals=WAIVER))
    after = read(repository(trustdomain=strict, waivers__terminals=WAIVER.replace("02-01", "05-01")))
    (item,) = plan(before, after).items
    assert [(one.field, one.old, one.new) for one in item.fields] == [("until", "2030-02-01", "2030-05-01")]
    assert item.is_dangerous


def test_every_field_of_a_waiver_and_of_the_budgets_shows() -> None:
    strict = BARE + "mttd: 1h\nmttr: 20m\n"
    other = "{waives: expires-before-repair, profile: standard, reason: r, owner: shop-team, until: 2030-02-01}"
    files = {
        "trustdomain": strict,
        "waivers__a": WAIVER,
        "waivers__b": other,
        "namespaces": "shop: {owners: [shop-team, b]}",
    }
    before = read(repository(**files))
    for old, new in (("reason: r", "reason: s"), ("owner: shop-team", "owner: b"), ("2030-02-01", "2030-02-02")):
        (item,) = plan(before, read(repository(**{**files, "waivers__a": WAIVER.replace(old, new)}))).items
        assert (item.kind, item.name) == (Kind.WAIVER, "a")
    swapped = plan(before, read(repository(**{**files, "waivers__a": other, "waivers__b": WAIVER})))
    assert [one.name for one in swapped.items] == ["a", "b"]


def test_a_plan_notes_once_which_budgets_are_not_stated() -> None:
    (both,) = plan(None, read(repository())).notes
    assert both.startswith("trustdomain.yaml states no mttd and no mttr, so nothing says how long")
    (one,) = plan(None, read(repository(trustdomain=BARE + "mttd: 4h\n"))).notes
    assert one == ("trustdomain.yaml states no mttr, so nothing says how long an outage of the issuer must be survived")
    state = read(repository(shop__web=WEB))
    assert plan(state, state).is_empty
    assert plan(state, state).notes == (both,)
