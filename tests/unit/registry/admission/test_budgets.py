from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.kit.repository import PAYMENTS, WEB, findings, only, repository
from trustplane.fault import Finding, Place, Refused
from trustplane.registry.admission.budgets import ended_waivers
from trustplane.registry.budgets import LONGEST_WAIVER, BudgetRule
from trustplane.registry.repository import read, read_at

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
LONG = "version: 3\nlifetime: 24h\n"


def domain(**budgets: str) -> str:
    return "trust_domain: acme.example\n" + "".join(f"{name}: {value}\n" for name, value in budgets.items())


def waiver(rule: str = "outlives-detection", target: str = "profile: standard", **changes: str) -> str:
    said = {"reason": "until the terminals are replaced", "owner": "shop-team", "until": "2030-02-01", **changes}
    return f"waives: {rule}\n{target}\n" + "".join(f"{key}: {value}\n" for key, value in said.items())


def findings_at(files: dict[str, bytes], at: datetime = NOON) -> tuple[Finding, ...]:
    with pytest.raises(Refused) as refused:
        read_at(files, at)
    return refused.value.findings


def test_a_lifetime_not_below_mttd_is_refused_at_both_places_with_the_arithmetic_and_both_ways_out() -> None:
    found = only(repository(trustdomain=domain(mttd="12h"), profiles__standard=LONG))
    assert found.code == "outlives-detection"
    assert found.place == Place("profiles/standard.yaml", 2)
    assert found.what == "standard@3: lifetime 1d is not below mttd 12h"
    assert "mttd at trustdomain.yaml:2:1; used by shop/payments, shop/web" in found.why
    assert "a lifetime below mttd in profiles/standard.yaml" in found.fix
    assert "waives: outlives-detection, profile: standard" in found.fix


def test_too_little_time_left_when_the_issuer_dies_is_refused_with_what_would_hold() -> None:
    found = only(repository(trustdomain=domain(mttr="8h"), profiles__standard=LONG))
    assert found.code == "expires-before-repair"
    assert found.place == Place("profiles/standard.yaml", 2)
    assert found.what.endswith("1d x (1 - 75 %) = 6h, below mttr 8h")
    assert "mttr at trustdomain.yaml:2:1" in found.why
    assert found.fix.startswith("write lifetime: 32h or more or renew: 50%-66% in profiles/standard.yaml, or have it")


def test_the_built_in_profile_is_reported_at_the_budget() -> None:
    assert only(repository(trustdomain=domain(mttd="1h"))).place == Place("trustdomain.yaml", 2)


def test_both_rules_and_every_profile_are_reported_in_one_run() -> None:
    files = repository(
        trustdomain=domain(mttd="10m", mttr="10m"), profiles__standard="lifetime: 20m", profiles__spare="lifetime: 30m"
    )
    assert [(one.code, one.place.file if one.place else "") for one in findings(files)] == [
        ("outlives-detection", "profiles/spare.yaml"),
        ("expires-before-repair", "profiles/spare.yaml"),
        ("outlives-detection", "profiles/standard.yaml"),
        ("expires-before-repair", "profiles/standard.yaml"),
    ]
    assert "no service uses it yet" in findings(files)[0].why


def test_a_rule_is_named_by_the_code_of_its_finding() -> None:
    codes = {one.code for one in findings(repository(trustdomain=domain(mttd="10m", mttr="1d")))}
    assert codes == {rule.value for rule in BudgetRule}


@pytest.mark.parametrize("value", ["0s", "1.5h", "-1h", "366d", "[1h]", "soon"])
def test_what_is_no_budget_is_refused_at_its_place(value: str) -> None:
    found = only(repository(trustdomain=domain(mttr=value)))
    assert found.code in ("wrong-type", "bad-budget")
    assert found.place == Place("trustdomain.yaml", 2, 7)


def test_a_waiver_lets_a_profile_pass_until_its_day_ends() -> None:
    files = repository(trustdomain=domain(mttd="1h"), waivers__terminals=waiver())
    assert read_at(files, NOON).waivers
    assert read_at(files, datetime(2030, 2, 1, 23, 59, tzinfo=UTC)).waivers
    ended, breach = findings_at(files, datetime(2030, 2, 2, tzinfo=UTC))
    assert (ended.code, breach.code) == ("outlives-detection", "waiver-expired")


def test_an_ended_waiver_is_named_with_what_it_waived() -> None:
    files = repository(trustdomain=domain(mttd="1h"), waivers__terminals=waiver(until="2029-12-31"))
    found = {one.code: one for one in findings_at(files)}["waiver-expired"]
    assert found.place == Place("waivers/terminals.yaml", 5)
    assert found.why == "what it waived is still so: standard@0: lifetime 1h is not below mttd 1h"
    assert "let shop-team decide" in found.fix


def test_a_state_admitted_before_a_waiver_ended_loads_and_says_so() -> None:
    state = read(repository(trustdomain=domain(mttd="1h"), waivers__terminals=waiver()))
    assert ended_waivers(state, NOON) == ()
    (found,) = ended_waivers(state, NOON + timedelta(days=40))
    assert (found.code, found.place) == ("waiver-expired", Place("waivers/terminals.yaml", 1))


def test_a_waiver_ends_within_180_days() -> None:
    def lasting(days: int) -> dict[str, bytes]:
        until = (NOON + timedelta(days=days)).date().isoformat()
        return repository(trustdomain=domain(mttd="1h"), waivers__terminals=waiver(until=until))

    assert timedelta(days=180) == LONGEST_WAIVER
    assert read_at(lasting(180), NOON).waivers
    (found,) = findings_at(lasting(181))
    assert (found.code, found.place) == ("waiver-too-long", Place("waivers/terminals.yaml", 5))
    assert "until: 2030-06-30 or an earlier day" in found.fix
    assert read(lasting(181)).waivers, "on another day it may have been admitted"


def test_a_waiver_of_one_rule_leaves_the_other() -> None:
    files = repository(trustdomain=domain(mttd="1h", mttr="1h"), waivers__terminals=waiver())
    assert only(files).code == "expires-before-repair"


def test_waivers_of_services_cover_a_profile_when_all_its_users_have_one() -> None:
    files = repository(trustdomain=domain(mttd="1h"), waivers__web=waiver(target="service: shop/web"))
    found = only(files)
    assert found.code == "outlives-detection"
    assert found.why.endswith("; used by shop/payments")
    both = {**files, "waivers/payments.yaml": waiver(target="service: shop/payments").encode()}
    assert len(read_at(both, NOON).waivers) == 2


@pytest.mark.parametrize(
    "files",
    [
        repository(waivers__idle=waiver()),
        repository(trustdomain=domain(mttd="2h"), waivers__idle=waiver()),
        repository(trustdomain=domain(mttr="15m"), waivers__idle=waiver("expires-before-repair", "service: shop/web")),
    ],
)
def test_a_waiver_that_waives_nothing_is_a_finding(files: dict[str, bytes]) -> None:
    found = only(files)
    assert (found.code, found.place) == ("waives-nothing", Place("waivers/idle.yaml", 1))


def test_a_waiver_of_what_does_not_exist_is_a_finding() -> None:
    files = repository(trustdomain=domain(mttd="2h"), waivers__a=waiver(target="profile: standart"))
    assert only(files).what == "there is no profile standart (did you mean standard?)"
    files = repository(trustdomain=domain(mttd="2h"), waivers__a=waiver(target="service: shop/wed"))
    assert (only(files).code, only(files).place) == ("unknown-waiver-target", Place("waivers/a.yaml", 2))


def test_a_waiver_is_its_owners_decision() -> None:
    namespaces = "shop: {owners: [shop-team]}\nbank: {owners: [bank-team]}\n"
    ledger = "selectors: [unix:uid:7]\nprofile: banking\n"
    files = {
        "namespaces": namespaces,
        "bank__ledger": ledger,
        "trustdomain": domain(mttd="2h"),
        "profiles__banking": "lifetime: 3h",
    }
    for target in ("profile: banking", "service: bank/ledger"):
        found = only(repository(**files, waivers__a=waiver(target=target)))
        assert (found.code, found.place) == ("stranger-owns-waiver", Place("waivers/a.yaml", 4))
        assert found.fix == "write one of bank-team"
        assert read_at(repository(**files, waivers__a=waiver(target=target, owner="bank-team")), NOON).waivers


def test_one_rule_is_waived_once_for_one_thing() -> None:
    files = repository(trustdomain=domain(mttd="1h"), waivers__a=waiver(), waivers__b=waiver(until="2030-03-01"))
    found = only(files)
    assert (found.code, found.place) == ("waived-twice", Place("waivers/b.yaml", 1))


def test_a_waiver_is_not_blamed_for_files_that_cannot_be_read() -> None:
    broken = repository(
        trustdomain=domain(mttd="1h"),
        profiles__long="lifetime: never",
        shop__web=WEB + "profile: long\n",
        shop__payments=PAYMENTS + "profile: long\n",
        waivers__a=waiver(target="profile: long"),
        waivers__b=waiver(target="service: shop/web"),
    )
    assert only(broken).code == "wrong-type"
