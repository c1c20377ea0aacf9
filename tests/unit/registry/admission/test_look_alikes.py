from __future__ import annotations

import pytest

from tests.kit.repository import WEB, admitted, only, repository
from trustplane.registry.admission.look_alikes import skeleton


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("payments", "payment"),
        ("payments", "payment-s"),
        ("payments", "paymentss"),
        ("payments", "Payments"),
        ("pay-ments", "pay_ments"),
        ("pay.ments", "payments"),
        ("payments", "paymennts"),
        ("ledger1", "ledgerl"),
        ("mail", "ma1l"),
        ("mail", "mall"),
        ("log0", "logo"),
        ("modern", "modem"),
        ("web", "vveb"),
        ("payments-", "payments"),
    ],
)
def test_names_easily_mistaken_have_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("worker-1", "worker-11"),
        ("worker-1-1", "worker-11"),
        ("payments", "payouts"),
        ("web", "api"),
        ("gas", "ga"),
        ("orders", "orders-api"),
        ("s1", "s2"),
    ],
)
def test_names_that_differ_visibly_have_two(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def test_services_of_one_namespace_do_not_look_alike() -> None:
    finding = only(repository(shop__payment="selectors: [unix:uid:9]"))
    assert (finding.code, str(finding.place)) == ("look-alike", "services/shop/payments/service.yaml:1:1")


def test_services_of_two_namespaces_may_have_one_name() -> None:
    namespaces = "{shop: {owners: [shop-team]}, bank: {owners: [bank-team]}}"
    found = admitted(repository(namespaces=namespaces, bank__payment="selectors: [unix:uid:9]"))
    assert found == {"shop/web", "shop/payments", "bank/payment"}


def test_namespaces_and_profiles_do_not_look_alike() -> None:
    assert only(repository(namespaces="{shop: {owners: [a]}, shops: {owners: [a]}}")).code == "look-alike"
    assert only(repository(profiles__long="lifetime: 9h", profiles__1ong="lifetime: 8h")).code == "look-alike"
    assert only(repository(profiles__standards="lifetime: 9h")).code == "look-alike"


@pytest.mark.parametrize("segment", ["Payments", "payments_", "payment"])
def test_ids_do_not_look_alike(segment: str) -> None:
    finding = only(repository(shop__web=WEB + f"id: spiffe://acme.example/ns/shop/sa/{segment}\n"))
    assert (finding.code, str(finding.place)) == ("look-alike", "services/shop/web/service.yaml:6:1")
