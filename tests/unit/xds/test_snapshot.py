"""A sidecar's whole configuration: what is in it, that it is closed, and what its digest says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.kit.ca import NOON
from tests.kit.sidecars import ACME, HERE, PAY, WEB, authority, bundles_of, keyed
from trustplane.fault import Broken, Refused
from trustplane.policy import document
from trustplane.policy.access import Access, Grant
from trustplane.policy.tree import Method, Who
from trustplane.registry.model import Operation, Probe
from trustplane.registry.view import Caller, Endpoint, ForeignGrant
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.patterns import IdPattern
from trustplane.xds.guards import published
from trustplane.xds.http import connection_age
from trustplane.xds.inbound import INBOUND
from trustplane.xds.resources import Kind, Resource, typed
from trustplane.xds.snapshot import Snapshot, snapshot
from trustplane.xds.surroundings import Surroundings
from trustplane.xds.tls import PEERS

CA = authority()
OTHER = TrustDomain("other.example")
KEYED = keyed(CA, WEB.spiffe_id)
BUNDLES = bundles_of(CA)


def web_snapshot() -> Snapshot:
    return snapshot(WEB, KEYED, BUNDLES, HERE)


def rules_of(made: Snapshot) -> dict[str, object]:
    route = json.loads(json.dumps(made.of(Kind.ROUTE)[INBOUND].content))
    found: dict[str, object] = route["virtual_hosts"][0]["typed_per_filter_config"]["envoy.filters.http.rbac"]["rbac"][
        "rules"
    ]
    return found


def test_equal_inputs_make_equal_digests_and_a_new_leaf_changes_one_resource() -> None:
    first, again = web_snapshot(), web_snapshot()
    renewed = snapshot(WEB, keyed(CA, WEB.spiffe_id), BUNDLES, HERE)
    assert first.digest == again.digest != renewed.digest
    changed = [one.name for one, other in zip(first, renewed, strict=True) if one.version != other.version]
    assert changed == [str(WEB.spiffe_id)]


def test_a_bundle_in_another_order_is_the_same_content() -> None:
    other = authority()
    one, two = bundles_of(CA, other), bundles_of(other, CA)
    assert snapshot(WEB, KEYED, one, HERE).digest == snapshot(WEB, KEYED, two, HERE).digest


def test_bundle_and_leaf_are_reported_by_what_operators_know_them_by() -> None:
    secrets = web_snapshot().of(Kind.SECRET)
    assert secrets[str(ACME.id)].known_as == BUNDLES[ACME].digest
    assert len(secrets[str(WEB.spiffe_id)].known_as) == 64


def test_private_keys_are_in_no_representation() -> None:
    made = web_snapshot()
    key = KEYED.key_pem().decode().splitlines()[1]
    assert key in json.dumps([one.content for one in made.resources])
    assert key not in repr(made)
    assert key not in str(made.resources)


def test_nobody_is_let_in_without_a_declaration() -> None:
    assert rules_of(web_snapshot()) == {"action": "ALLOW", "policies": {}}


def test_a_caller_gets_its_operations_and_a_probe_is_for_the_whole_mesh() -> None:
    pay = replace(
        PAY,
        callers=(Caller(WEB.spiffe_id, (Operation("charge", "POST", "/charge"), Operation("read", "GET", "/a/*"))),),
        probes=(Probe("GET", "/healthz"),),
    )
    policies = rules_of(snapshot(pay, keyed(CA, PAY.spiffe_id), BUNDLES, HERE))["policies"]
    assert isinstance(policies, dict)
    assert set(policies) == {str(WEB.spiffe_id), "probes"}
    principals = {"authenticated": {"principal_name": {"exact": str(WEB.spiffe_id)}}}
    assert policies[str(WEB.spiffe_id)]["principals"] == [principals]
    text = json.dumps(policies[str(WEB.spiffe_id)]["permissions"])
    assert '"exact": "/charge"' in text
    assert '"prefix": "/a/"' in text


def test_no_operations_named_means_all_of_them() -> None:
    pay = replace(PAY, callers=(Caller(WEB.spiffe_id, ()),))
    policies = rules_of(snapshot(pay, keyed(CA, PAY.spiffe_id), BUNDLES, HERE))["policies"]
    assert isinstance(policies, dict)
    assert policies[str(WEB.spiffe_id)]["permissions"] == [{"any": True}]


def test_a_callee_is_pinned_by_its_exact_id_under_its_own_domains_bundle() -> None:
    content = json.dumps(web_snapshot().of(Kind.CLUSTER)["outbound/shop/pay"].content)
    assert json.dumps({"exact": str(PAY.spiffe_id)}) in content
    assert json.dumps({"name": str(ACME.id)})[1:-1] in content


def test_a_callee_without_endpoints_is_still_a_cluster() -> None:
    web = replace(WEB, callees=(replace(WEB.callees[0], endpoints=()),))
    cluster = snapshot(web, KEYED, BUNDLES, HERE).of(Kind.CLUSTER)["outbound/shop/pay"]
    assert '"lb_endpoints": []' in json.dumps(cluster.content)


def test_the_order_of_endpoints_does_not_matter() -> None:
    ends = (Endpoint("10.0.0.1", 1), Endpoint("10.0.0.2", 1))
    made = [
        snapshot(replace(WEB, callees=(replace(WEB.callees[0], endpoints=each),)), KEYED, BUNDLES, HERE).digest
        for each in (ends, ends[::-1])
    ]
    assert made[0] == made[1]


def test_without_the_own_bundle_there_is_no_configuration() -> None:
    with pytest.raises(Refused) as refusal:
        snapshot(WEB, KEYED, BundleSet({}), HERE)
    assert refusal.value.code == "bundle-missing"


@pytest.mark.parametrize("held", [(), (Bundle(OTHER, ()),)])
def test_a_foreign_domain_without_authorities_costs_nothing_but_itself(held: tuple[Bundle, ...]) -> None:
    foreign = replace(WEB.callees[0], service=None, spiffe_id=SpiffeId(OTHER, ("pay",)))
    grant = ForeignGrant(IdPattern(OTHER, ("ns",), below=True), ())
    federated = replace(WEB, callees=(*WEB.callees, foreign), foreign_callers=(grant,))
    with_it = BundleSet({**BUNDLES, **{one.trust_domain: one for one in held}})
    assert snapshot(federated, KEYED, with_it, HERE).digest == web_snapshot().digest


def test_foreign_callers_are_verified_domain_by_domain_and_let_in_by_their_pattern() -> None:
    other = authority("other.example")
    grants = (
        ForeignGrant(IdPattern(OTHER, ("ns", "billing"), below=True), (Operation("charge", "POST", "/charge"),)),
        ForeignGrant(IdPattern(OTHER, ("ns", "x", "sa", "y"), below=False), ()),
    )
    made = snapshot(replace(PAY, foreign_callers=grants), keyed(CA, PAY.spiffe_id), bundles_of(CA, other), HERE)
    validator = json.loads(json.dumps(made.of(Kind.SECRET)[PEERS].content))["validation_context"]
    domains = validator["custom_validator_config"]["typed_config"]["trust_domains"]
    assert [one["name"] for one in domains] == ["acme.example", "other.example"]
    listener = json.dumps(made.of(Kind.LISTENER)[INBOUND].content)
    assert f'"validation_context_sds_secret_config": {{"name": "{PEERS}"' in listener
    assert '{"prefix": "spiffe://acme.example/"}' in listener
    assert '{"prefix": "spiffe://other.example/"}' in listener
    policies: Any = rules_of(made)["policies"]
    prefix, exact = "spiffe://other.example/ns/billing/", "spiffe://other.example/ns/x/sa/y"
    assert policies[prefix]["principals"] == [{"authenticated": {"principal_name": {"prefix": prefix}}}]
    assert policies[exact]["principals"] == [{"authenticated": {"principal_name": {"exact": exact}}}]
    published(made, NOON)


def test_where_a_policy_decides_foreign_callers_may_connect_and_ask_only_what_it_permits() -> None:
    theirs = SpiffeId(OTHER, ("ns", "billing", "sa", "api"))
    permitted = Access((), (Grant("partner", Who(ids=frozenset({theirs})), Method("GET")),))
    grants = (ForeignGrant(IdPattern(OTHER, ("ns", "billing"), below=True), ()),)
    sidecar = replace(PAY, callers=(), foreign_callers=grants, policy=document.encode(permitted))
    made = snapshot(sidecar, keyed(CA, PAY.spiffe_id), bundles_of(CA, authority("other.example")), HERE)
    assert set(rules_of(made)["policies"]) == {"partner"}  # type: ignore[call-overload] # JSON
    route = json.dumps(made.of(Kind.ROUTE)[INBOUND].content)
    assert "several-identities" in route, "a certificate with one of our IDs beside theirs stays nobody's"
    assert PEERS in made.of(Kind.SECRET)
    published(made, NOON)


def test_who_calls_into_a_foreign_domain_trusts_it_there_and_nowhere_else() -> None:
    other = authority("other.example")
    foreign = replace(WEB.callees[0], service=None, spiffe_id=SpiffeId(OTHER, ("pay",)))
    made = snapshot(replace(WEB, callees=(foreign,)), KEYED, bundles_of(CA, other), HERE)
    cluster = json.dumps(made.of(Kind.CLUSTER)["outbound/spiffe://other.example/pay"].content)
    assert '"name": "spiffe://other.example"' in cluster
    assert '{"exact": "spiffe://other.example/pay"}' in cluster
    assert "other.example" not in json.dumps(made.of(Kind.LISTENER)[INBOUND].content)
    published(made, NOON)


def test_only_a_foreign_bundle_goes_to_the_spiffe_verifier() -> None:
    other = authority("other.example")
    foreign = replace(WEB.callees[0], spiffe_id=SpiffeId.parse("spiffe://other.example/pay"))
    made = snapshot(replace(WEB, callees=(foreign,)), KEYED, bundles_of(CA, other), HERE).of(Kind.SECRET)
    context = made["spiffe://other.example"].content["validation_context"]
    assert isinstance(context, dict)
    assert set(context) == {"custom_validator_config"}
    own = made[str(ACME.id)].content["validation_context"]
    assert isinstance(own, dict)
    assert set(own) == {"trusted_ca"}


@pytest.mark.parametrize("kind", [Kind.ROUTE, Kind.SECRET, Kind.CLUSTER, Kind.LISTENER])
def test_a_snapshot_from_which_something_is_missing_cannot_exist(kind: Kind) -> None:
    left = tuple(one for one in web_snapshot() if one.kind is not kind)
    with pytest.raises(Broken) as broken:
        Snapshot(left)
    assert broken.value.code in {"xds-snapshot-empty", "xds-snapshot-not-closed"}


def test_two_resources_of_one_name_and_a_resource_of_another_type_cannot_exist() -> None:
    made = web_snapshot()
    with pytest.raises(Broken) as twice:
        Snapshot((*made, replace(made.resources[0])))
    assert twice.value.code == "xds-resource-twice"
    with pytest.raises(Broken) as mistyped:
        Resource(Kind.ROUTE, "r", typed(Kind.CLUSTER.value, name="r"))
    assert mistyped.value.code == "xds-resource-mistyped"


@pytest.mark.parametrize(
    ("lifetime", "longest", "age"),
    [
        (timedelta(hours=1), timedelta(seconds=15), timedelta(minutes=15)),
        (timedelta(seconds=60), timedelta(seconds=5), timedelta(seconds=15)),
        (timedelta(seconds=20), timedelta(seconds=1), timedelta(seconds=5)),
        (timedelta(seconds=60), timedelta(minutes=2), timedelta(seconds=121)),
        (timedelta(days=90), timedelta(seconds=15), timedelta(hours=1)),
    ],
)
def test_connections_end_after_a_quarter_of_a_leafs_life_and_never_within_a_request(
    lifetime: timedelta, longest: timedelta, age: timedelta
) -> None:
    assert connection_age(lifetime, longest) == age
    assert age > longest


@pytest.mark.parametrize(("loopback", "advertised"), [("10.0.0.1", "10.0.0.1"), ("localhost", "10.0.0.1")])
def test_the_clear_side_is_on_loopback_and_addresses_are_addresses(loopback: str, advertised: str) -> None:
    with pytest.raises(Refused) as refusal:
        Surroundings(loopback, advertised)
    assert refusal.value.code in {"not-loopback", "bad-address"}


def test_a_route_is_called_as_the_operation_that_a_request_is() -> None:
    offered = (
        Operation("all", "GET", "/*"),
        Operation("one", "GET", "/orders/latest"),
        Operation("orders", "GET", "/orders/*"),
        Operation("place", "POST", "/orders/*"),
    )
    made = snapshot(replace(WEB, operations=offered), KEYED, BUNDLES, HERE)
    published(made, NOON)
    (host,) = json.loads(json.dumps(made.of(Kind.ROUTE)[INBOUND].content))["virtual_hosts"]
    assert [one.get("name", "") for one in host["routes"]][::2] == ["one", "place", "orders", "all", ""]
    assert ["grpc" in one["match"] for one in host["routes"]] == [True, False] * 5
    assert rules_of(made) == rules_of(web_snapshot())
    assert all(set(one) <= {"name", "match", "route"} for one in host["routes"])
    assert host["routes"][1]["match"] == {
        "path": "/orders/latest",
        "headers": [{"name": ":method", "string_match": {"exact": "GET"}}],
    }
