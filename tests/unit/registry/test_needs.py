from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.kit.partner import ACCEPTING, Partner, federated
from tests.kit.repository import PAYMENTS, WEB, repository
from trustplane.fault import Broken
from trustplane.registry.candidate import Candidate, Tried
from trustplane.registry.model import Call, DesiredState, Operation, Service
from trustplane.registry.needs import Needs
from trustplane.registry.repository import read
from trustplane.registry.view import Caller, Endpoint, NodeView, TrustedBundle
from trustplane.registry.view_change import digest
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName, default_id

ACME = TrustDomain("acme.example")
A, B = NodeName("a"), NodeName("b")
WEB_NAME, PAYMENTS_NAME = ServiceName("shop", "web"), ServiceName("shop", "payments")


def needs(state: DesiredState, endpoints: dict[ServiceName, tuple[Endpoint, ...]] | None = None) -> Needs:
    return Needs(state, 7, endpoints or {}, ())


def names(view: NodeView) -> tuple[list[str], list[str]]:
    return [entry.service.name for entry in view.entries], [sidecar.service.name for sidecar in view.sidecars]


def test_a_node_gets_the_services_pinned_to_it_and_those_without_nodes() -> None:
    state = read(
        repository(
            shop__web=WEB + "nodes: [a]\n",
            shop__batch="selectors: [unix:uid:3]\n",
            shop__ledger="selectors: [unix:uid:4]\nnodes: [b, c]\nports: {app: 20104, mesh: 20204}\n",
        )
    )
    assert names(needs(state).of(A)) == (["batch", "payments", "web"], ["payments", "web"])
    assert names(needs(state).of(B)) == (["batch", "ledger", "payments"], ["ledger", "payments"])
    assert names(needs(state).of(NodeName("x"))) == (["batch", "payments"], ["payments"])


def test_nodes_with_one_placement_share_one_view() -> None:
    state = read(repository(shop__web=WEB + "nodes: [a, b]\n"))
    of = needs(state).of
    assert of(A) is of(B)
    assert of(NodeName("x")) is of(NodeName("y"))
    assert of(A) is not of(NodeName("x"))


@pytest.mark.parametrize(
    ("offered", "called", "granted"),
    [
        ("{charge: POST /charge, refund: POST /refunds/*}", "[charge]", ["charge"]),
        ("{charge: POST /charge, refund: POST /refunds/*}", "[refund, charge]", ["charge", "refund"]),
        ("{charge: POST /charge, refund: POST /refunds/*}", None, ["charge", "refund"]),
        (None, None, []),
    ],
)
def test_a_caller_may_use_the_operations_it_names(offered: str | None, called: str | None, granted: list[str]) -> None:
    payments = "selectors: [unix:uid:1002]\nports: {app: 20102, mesh: 20202}\n"
    web = WEB.replace("operations: [charge], ", f"operations: {called}, " if called else "")
    state = read(repository(shop__payments=payments + (f"operations: {offered}" if offered else ""), shop__web=web))
    (sidecar, _) = needs(state).of(A).sidecars
    (caller,) = sidecar.callers
    assert caller.spiffe_id == default_id(ACME, WEB_NAME)
    assert [operation.name for operation in caller.operations] == granted


def test_an_operation_that_does_not_exist_never_becomes_any_request() -> None:
    state = read(repository())
    web = replace(state.services[WEB_NAME], calls=(Call(PAYMENTS_NAME, 20301, ("chrage",)),))
    broken = replace(state, services={**state.services, WEB_NAME: web})
    with pytest.raises(Broken) as fault:
        needs(broken).of(A)
    assert fault.value.code == "call-of-unknown-operation"


def test_a_sidecar_is_told_where_its_callees_are() -> None:
    here, there = Endpoint("10.0.0.1", 20202), Endpoint("10.0.0.2", 20202)
    (_, web) = needs(read(repository()), {PAYMENTS_NAME: (there, here, here)}).of(A).sidecars
    (callee,) = web.callees
    assert (callee.service, callee.listen, callee.endpoints) == (PAYMENTS_NAME, 20301, (here, there))
    assert callee.spiffe_id == default_id(ACME, PAYMENTS_NAME)


def test_a_callee_without_endpoints_is_still_a_callee() -> None:
    (_, web) = needs(read(repository())).of(A).sidecars
    assert [callee.endpoints for callee in web.callees] == [()]


def test_a_callee_is_called_for_as_long_as_its_longest_request() -> None:
    state = read(repository(shop__payments=PAYMENTS + "longest_request: 2m\n"))
    (payments, web) = needs(state).of(A).sidecars
    assert web.callees[0].longest_request == payments.longest_request == timedelta(minutes=2)


def test_entries_and_sidecars_follow_the_profile() -> None:
    state = read(repository(profiles__standard="{version: 4, key: p384, lifetime: 10m}"))
    view = needs(state).of(A)
    assert {(entry.profile, entry.key.value) for entry in view.entries} == {("standard@4", "p384")}
    assert {sidecar.leaf_lifetime for sidecar in view.sidecars} == {timedelta(minutes=10)}


def test_a_view_carries_the_revision_and_the_bundles_by_name() -> None:
    names = ("stranger.example", "partner.example", "acme.example")
    bundles = tuple(TrustedBundle(TrustDomain(name), b"{}", "00") for name in names)
    view = Needs(read(federated(Partner())), 9, {}, bundles).of(A)
    assert view.revision == 9
    assert [bundle.trust_domain.name for bundle in view.bundles] == ["acme.example", "partner.example"]
    alone = Needs(read(repository()), 9, {}, bundles).of(A)
    assert [bundle.trust_domain.name for bundle in alone.bundles] == ["acme.example"]


def test_a_foreign_bundle_goes_to_the_nodes_of_services_that_name_its_domain() -> None:
    bundles = tuple(TrustedBundle(TrustDomain(name), b"{}", "00") for name in ("acme.example", "partner.example"))
    pinned = federated(Partner(), shop__payments=ACCEPTING + "nodes: [a]\n", shop__web=WEB + "nodes: [b]\n")
    found = Needs(read(pinned), 9, {}, bundles)
    assert [len(found.of(NodeName(node)).bundles) for node in ("a", "b")] == [2, 1]
    (payments,) = found.of(NodeName("a")).sidecars
    assert [str(one.pattern) for one in payments.foreign_callers] == ["spiffe://partner.example/ns/billing/"]
    assert [one.name for one in payments.foreign_callers[0].operations] == ["charge"]
    assert [one.federates for one in found.of(NodeName("a")).entries] == [(TrustDomain("partner.example"),)]
    assert [one.federates for one in found.of(NodeName("b")).entries] == [()]


def test_a_foreign_callee_is_reached_where_the_repository_says() -> None:
    view = Needs(read(federated(Partner())), 9, {}, ()).of(A)
    web = next(one for one in view.sidecars if one.service.name == "web")
    ours, theirs = web.callees
    assert ours.service is not None
    assert (theirs.service, str(theirs.spiffe_id)) == (None, "spiffe://partner.example/ns/billing/sa/api")
    assert theirs.endpoints == (Endpoint("192.0.2.7", 20201),)


def test_callers_are_sorted_by_their_id() -> None:
    till = "selectors: [unix:uid:5]\nports: {app: 20105, mesh: 20205}\n"
    state = read(
        repository(
            namespaces="shop: {owners: [shop-team], prefixes: [/a]}",
            shop__zebra=till + "id: spiffe://acme.example/a/zebra\ncalls: {shop/payments: {listen: 20302}}\n",
        )
    )
    payments = needs(state).of(A).sidecars[0]
    assert [caller.spiffe_id.path[-1] for caller in payments.callers] == ["zebra", "web"]
    assert payments.callers[1] == Caller(default_id(ACME, WEB_NAME), (Operation("charge", "POST", "/charge"),))


class CountingServices(dict[ServiceName, Service]):
    """Counts look-ups of single services, which is the work of a view."""

    looked_up = 0

    def __getitem__(self, name: ServiceName) -> Service:
        self.looked_up += 1
        return super().__getitem__(name)


def test_the_work_of_a_view_is_proportional_to_what_the_node_gets() -> None:
    pinned = {f"shop__s{number}": f"selectors: [unix:uid:{number}]\nnodes: [n{number}]\n" for number in range(1, 301)}
    state = read(repository(shop__web=None, shop__payments=None, **pinned))
    services = CountingServices(state.services)
    counted = needs(replace(state, services=services))
    before = services.looked_up
    assert names(counted.of(NodeName("n17")))[0] == ["s17"]
    assert services.looked_up - before <= 5


def test_a_node_is_told_of_a_candidate_what_concerns_its_services() -> None:
    state = read(repository(shop__web=WEB + "nodes: [a]\n"))
    tried = tuple(found for name in sorted(state.services) if (found := needs(state).tried(name)))
    candidate = Candidate("1-00000000", datetime(2030, 1, 1, tzinfo=UTC), tried)
    told = Needs(state, 7, {}, (), candidate=candidate)
    assert [one.service.name for one in told.of(A).candidate.tried] == ["payments", "web"]
    assert [one.service.name for one in told.of(B).candidate.tried] == ["payments"]


def test_a_node_is_told_how_requests_to_its_services_are_called() -> None:
    view = needs(read(repository(shop__web=WEB + "nodes: [a]\n"))).of(A)
    named = (Operation("charge", "POST", "/charge"), Operation("refund", "POST", "/refunds/*"))
    assert [(one.service, one.operations) for one in view.offered] == [(PAYMENTS_NAME, named)]
    assert [(one.service, one.operations) for one in view.named()] == [(PAYMENTS_NAME, named), (WEB_NAME, ())]
    assert digest(view) == digest(replace(view, offered=()))


def test_what_is_tried_is_what_decides_about_requests() -> None:
    state = read(repository())
    (payments, _) = needs(state).of(A).sidecars
    found = needs(state).tried(PAYMENTS_NAME)
    assert found == Tried(PAYMENTS_NAME, b"", payments.callers, payments.probes, payments.foreign_callers)
    ruled = replace(state, policies={PAYMENTS_NAME: b"{}"})
    assert needs(ruled).tried(PAYMENTS_NAME) == Tried(PAYMENTS_NAME, b"{}")
    assert needs(state).tried(ServiceName("shop", "absent")) is None
