from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.kit.server_door import NODE, NOON, WEB, certificate
from trustplane.issuance.outage_budget import FirstExpiry, OutageBudget, outage_budget
from trustplane.issuance.record import Purpose
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName

PAYMENTS = SpiffeId.parse("spiffe://acme.example/ns/shop/sa/payments")
SERVICES = {WEB: ServiceName("shop", "web"), PAYMENTS: ServiceName("shop", "payments")}
MINUTE = timedelta(minutes=1)


def entitled(_: NodeName, spiffe_id: SpiffeId) -> ServiceName | None:
    return SERVICES.get(spiffe_id)


def test_without_leaves_there_is_no_figure() -> None:
    assert outage_budget([], entitled) == OutageBudget()
    assert OutageBudget().first is None


def test_the_first_to_expire_is_the_budget_of_its_service_and_the_least_of_these_that_of_all() -> None:
    elsewhere = replace(certificate(2, lives=20 * MINUTE), node=NodeName("node-b"))
    found = outage_budget([certificate(1), elsewhere, certificate(3, PAYMENTS, 40 * MINUTE)], entitled)
    web, payments = SERVICES[WEB], SERVICES[PAYMENTS]
    assert found.services == {
        web: FirstExpiry(web, NodeName("node-b"), 2, NOON + 20 * MINUTE),
        payments: FirstExpiry(payments, NODE, 3, NOON + 40 * MINUTE),
    }
    assert found.first == found.services[web]


def test_what_nobody_renews_any_more_does_not_count() -> None:
    gone = certificate(1, SpiffeId.parse("spiffe://acme.example/ns/shop/sa/gone"), MINUTE)
    assert outage_budget([gone, certificate(2)], entitled).first == FirstExpiry(
        SERVICES[WEB], NODE, 2, NOON + timedelta(hours=1)
    )


def test_nodes_and_servers_are_no_services() -> None:
    leaves = [replace(certificate(1), purpose=purpose) for purpose in (Purpose.NODE, Purpose.SERVER)]
    assert outage_budget(leaves, entitled) == OutageBudget()


def test_time_left_counts_down_to_nothing_and_not_below() -> None:
    (expiry,) = outage_budget([certificate(1)], entitled).services.values()
    assert [expiry.left(NOON + n * 30 * MINUTE) for n in range(4)] == [60 * MINUTE, 30 * MINUTE, 0 * MINUTE, 0 * MINUTE]


def test_a_budget_can_be_cut_to_the_services_that_are_declared() -> None:
    found = outage_budget([certificate(1), certificate(3, PAYMENTS, MINUTE)], entitled)
    assert set(found.only([SERVICES[WEB]]).services) == {SERVICES[WEB]}
    assert found.only(()) == OutageBudget()
