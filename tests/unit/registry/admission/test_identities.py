from __future__ import annotations

import pytest

from tests.kit.repository import WEB, findings, only, repository
from trustplane.registry.repository import read
from trustplane.spiffe.names import ServiceName


def test_one_id_is_one_service() -> None:
    finding = only(repository(shop__web=WEB + "id: spiffe://acme.example/ns/shop/sa/payments\n"))
    assert (finding.code, str(finding.place)) == ("id-used-twice", "services/shop/web/service.yaml:6:1")


@pytest.mark.parametrize(
    "spiffe_id",
    [
        "spiffe://acme.example/ns/bank/sa/web",
        "spiffe://acme.example/ns/shop",
        "spiffe://acme.example/ns/shopping/sa/web",
        "spiffe://acme.example/web",
        "spiffe://acme.example",
        "spiffe://acme.example/trustplane/server/a",
        "spiffe://acme.example/till",
    ],
)
def test_an_id_lies_under_a_prefix_of_its_namespace(spiffe_id: str) -> None:
    files = repository(
        namespaces="{shop: {owners: [shop-team], prefixes: [/till]}, bank: {owners: [bank-team]}}",
        shop__web=WEB + f"id: {spiffe_id}\n",
    )
    assert only(files).code == "id-outside-prefix"


def test_an_id_may_lie_under_a_further_prefix() -> None:
    state = read(
        repository(
            namespaces="shop: {owners: [shop-team], prefixes: [/till/a]}",
            shop__web=WEB + "id: spiffe://acme.example/till/a/web\n",
        )
    )
    assert state.services[ServiceName("shop", "web")].spiffe_id.path == ("till", "a", "web")


def test_an_id_of_another_trust_domain_is_refused() -> None:
    assert only(repository(shop__web=WEB + "id: spiffe://evil.example/ns/shop/sa/web\n")).code == "foreign-id"


def test_owners_of_a_service_are_owners_of_its_namespace() -> None:
    finding = only(repository(shop__web=WEB + "owners: [shop-team, bank-team]\n"))
    assert (finding.code, str(finding.place)) == ("stranger-owns-service", "services/shop/web/service.yaml:6:21")
    assert "bank-team" in finding.what
    assert only(repository(shop__web=WEB + "owners: []\n")).code == "stranger-owns-service"


def test_a_namespace_is_declared() -> None:
    finding = only(repository(bank__till="selectors: [unix:uid:9]"))
    assert (finding.code, "bank: {owners: [bank-team]}" in finding.fix) == ("unknown-namespace", True)


@pytest.mark.parametrize("prefix", ["/trustplane", "/trustplane/agent", "/ns", "/ns/bank"])
def test_nobody_claims_what_is_reserved(prefix: str) -> None:
    finding = only(repository(namespaces=f"shop: {{owners: [shop-team], prefixes: [{prefix}]}}"))
    assert finding.code == "reserved-prefix"


@pytest.mark.parametrize("prefix", ["/till", "/till/a", "/"])
def test_namespaces_hold_disjoint_prefixes(prefix: str) -> None:
    found = findings(
        repository(
            namespaces=f"""
                bank: {{owners: [bank-team], prefixes: [/till]}}
                shop: {{owners: [shop-team], prefixes: [{prefix}]}}
            """
        )
    )
    assert [finding.code for finding in found] == ["bad-prefix" if prefix == "/" else "prefix-held-twice"]


def test_sibling_prefixes_of_two_namespaces_are_fine() -> None:
    state = read(
        repository(
            namespaces="""
                bank: {owners: [bank-team], prefixes: [/till/bank]}
                shop: {owners: [shop-team], prefixes: [/till/shop]}
            """
        )
    )
    assert state.namespaces["bank"].prefixes == (("till", "bank"),)


def test_a_namespace_has_owners() -> None:
    assert only(repository(namespaces="{shop: {owners: [shop-team]}, bank: {owners: []}}")).code == "no-owners"
