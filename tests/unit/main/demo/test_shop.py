from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.main.demo.shop import find_shop
from trustplane.registry.budgets import Budgets
from trustplane.spiffe.selectors import Selector


def test_the_example_is_five_services_each_with_its_own_user() -> None:
    parts = find_shop(None).parts
    assert [part.short for part in parts] == ["checkout", "ledger", "payments", "reporting", "web"]
    assert len({part.uid for part in parts}) == 5
    assert all(part.uid > 0 for part in parts)


def test_every_service_is_told_where_its_own_sidecar_leads() -> None:
    urls = {part.short: set(part.urls) for part in find_shop(None).parts}
    assert urls == {
        "web": {"CHECKOUT_URL"},
        "checkout": {"PAYMENTS_URL"},
        "payments": {"LEDGER_URL"},
        "reporting": {"LEDGER_URL"},
        "ledger": set(),
    }


def test_no_two_listeners_of_the_shop_share_a_port() -> None:
    ports = find_shop(None).ports
    assert len(ports) == len(set(ports)) == 5 * 2 + 4


def test_a_shorter_life_is_a_change_of_the_copy_only() -> None:
    shop = find_shop(None)
    short = shop.with_lifetime(timedelta(seconds=60))
    assert {profile.lifetime for profile in short.state.profiles.values()} == {timedelta(seconds=60)}
    assert {profile.lifetime for profile in shop.state.profiles.values()} == {timedelta(hours=1)}


def test_a_copy_with_another_life_is_not_held_to_the_budgets_of_the_example() -> None:
    shop = find_shop(None)
    assert shop.state.budgets == Budgets(timedelta(hours=4), timedelta(minutes=10))
    for lifetime in (timedelta(seconds=60), timedelta(days=1)):
        assert shop.with_lifetime(lifetime).state.budgets == Budgets()


def test_without_root_services_are_told_apart_by_their_executable() -> None:
    shop = find_shop(None)
    copies = {part.name: Path(f"/run/envoy-{part.short}") for part in shop.parts}
    selectors = {name.name: service.selectors for name, service in shop.with_executables(copies).state.services.items()}
    assert selectors["web"] == {Selector.parse("unix:path:/run/envoy-web")}
    assert len(set(selectors.values())) == 5


def test_a_directory_that_is_no_shop_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        find_shop(tmp_path)
    assert str(tmp_path) in refused.value.finding.why
