"""What a proxy must never be given: each refusal is one of Envoy's ten dangers, or what it would ACK and fail on."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias, Unpack

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.kit.ca import NOON, Overrides, TestCa
from tests.kit.sidecars import ACME, HERE, PAY, WEB, authority, bundles_of, keyed
from trustplane.fault import Broken, Refused
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.xds.guards import Published, published
from trustplane.xds.resources import Kind, Offer, Resource
from trustplane.xds.sds_names import secrets_offer
from trustplane.xds.snapshot import snapshot

Tree: TypeAlias = Any  # JSON that a test reaches into and spoils

CA = authority()
LEAF, BUNDLE = str(WEB.spiffe_id), str(ACME.id)
GOOD = snapshot(WEB, keyed(CA, WEB.spiffe_id), bundles_of(CA), HERE)


def refusal_of(offer: Offer) -> str:
    with pytest.raises(Refused) as refusal:
        published(offer, NOON)
    assert {one.code for one in refusal.value.findings} <= {"xds-secret-unfit", "xds-config-unsafe", "xds-offer-empty"}
    return str(refusal.value)


def edited(kind: Kind, name: str, edit: Callable[[Tree], object]) -> Offer:
    """The good offer with one resource changed in place."""
    one = GOOD.of(kind)[name]
    content = copy.deepcopy(json.loads(json.dumps(one.content)))
    edit(content)
    return Offer((*(each for each in GOOD if each is not one), Resource(kind, name, content)))


def with_leaf(ca: TestCa = CA, **overrides: Unpack[Overrides]) -> Offer:
    return snapshot(WEB, keyed(ca, WEB.spiffe_id, **overrides), bundles_of(CA), HERE)


def downstream(content: Tree) -> Tree:
    return content["filter_chains"][0]["transport_socket"]["typed_config"]


def http(content: Tree) -> Tree:
    return content["filter_chains"][0]["filters"][0]["typed_config"]


def test_what_we_compute_passes() -> None:
    assert published(GOOD, NOON).offer is GOOD
    pay = snapshot(PAY, keyed(CA, PAY.spiffe_id), bundles_of(CA), HERE)
    assert published(pay, NOON).passed_at == NOON


def test_no_way_leads_round_the_gate() -> None:
    with pytest.raises(Broken) as broken:
        Published(GOOD, NOON, None)
    assert broken.value.code == "xds-unguarded"


def test_every_finding_is_said_at_once() -> None:
    def two(content: Tree) -> None:
        downstream(content)["require_client_certificate"] = False
        del downstream(content)["disable_stateless_session_resumption"]

    with pytest.raises(Refused) as refusal:
        published(edited(Kind.LISTENER, "inbound", two), NOON)
    assert len(refusal.value.findings) == 2


CONTEXTS: dict[str, dict[str, object]] = {
    "empty context": {},
    "empty authority": {"trusted_ca": {"inline_string": ""}},
    "no certificate in it": {"trusted_ca": {"inline_string": "garbage"}},
    "spiffe verifier without domains": {"custom_validator_config": {"typed_config": {"trust_domains": []}}},
}


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_danger_2_a_validation_context_that_trusts_nothing_asks_nobody(context: dict[str, object]) -> None:
    offer = edited(Kind.SECRET, BUNDLE, lambda content: content.update(validation_context=context))
    assert "must not be published" in refusal_of(offer)


def test_danger_2_an_empty_bundle_is_not_published() -> None:
    empty = BundleSet.of(Bundle(ACME, ()))
    assert BUNDLE in refusal_of(snapshot(WEB, keyed(CA, WEB.spiffe_id), empty, HERE))


def test_danger_2_a_bundle_that_is_no_authority_is_not_published() -> None:
    leaf = keyed(CA, "/x").svid.pem().decode()
    context = {"trusted_ca": {"inline_string": leaf}}
    assert "no certificate authority" in refusal_of(
        edited(Kind.SECRET, BUNDLE, lambda content: content.update(validation_context=context))
    )


@pytest.mark.parametrize("beside", ["crl", "max_verify_depth", "only_verify_leaf_cert_crl"])
def test_danger_3_nothing_stands_beside_the_spiffe_verifier_that_it_would_ignore(beside: str) -> None:
    domain = {"name": ACME.name, "trust_bundle": {"inline_string": bundles_of(CA)[ACME].x509_pem().decode()}}
    context = {"custom_validator_config": {"typed_config": {"trust_domains": [domain]}}, beside: 1}
    offer = edited(Kind.SECRET, BUNDLE, lambda content: content.update(validation_context=context))
    assert "ignores that silently" in refusal_of(offer)


@pytest.mark.parametrize("field", ["disable_stateless_session_resumption", "disable_stateful_session_resumption"])
def test_danger_4_no_listener_resumes_sessions(field: str) -> None:
    offer = edited(Kind.LISTENER, "inbound", lambda content: downstream(content).pop(field))
    assert "outlives the certificate" in refusal_of(offer)


def test_danger_4_no_cluster_resumes_sessions() -> None:
    offer = edited(
        Kind.CLUSTER,
        "outbound/shop/pay",
        lambda content: content["transport_socket"]["typed_config"].pop("max_session_keys"),
    )
    assert "outlives the certificate" in refusal_of(offer)


def test_danger_5_every_connection_ends() -> None:
    offer = edited(
        Kind.LISTENER,
        "inbound",
        lambda content: http(content)["common_http_protocol_options"].pop("max_connection_duration"),
    )
    assert "connections never end" in refusal_of(offer)


@pytest.mark.parametrize("place", [2, 3])
def test_danger_6_the_listener_has_both_filters_with_rules(place: int) -> None:
    without = edited(Kind.LISTENER, "inbound", lambda content: http(content)["http_filters"].pop(place))
    assert "first HTTP filters are not RBAC" in refusal_of(without)
    absent = edited(
        Kind.LISTENER, "inbound", lambda content: http(content)["http_filters"][place]["typed_config"].pop("rules")
    )
    assert "absent rules enforce nothing" in refusal_of(absent)


@pytest.mark.parametrize("name", ["envoy.filters.http.rbac", "forbidden"])
def test_danger_6_rules_are_in_the_route(name: str) -> None:
    def rules(content: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = content["virtual_hosts"][0]["typed_per_filter_config"]
        return found

    replaced = edited(Kind.ROUTE, "inbound", lambda content: rules(content)[name].pop("rbac"))
    assert "replaces the RBAC rules by none" in refusal_of(replaced)
    left_out = edited(Kind.ROUTE, "inbound", lambda content: rules(content).pop(name))
    assert "its route lacks the rules" in refusal_of(left_out)


def test_danger_8_domains_are_never_merged_and_never_twice() -> None:
    domain = {"name": ACME.name, "trust_bundle": {"inline_string": bundles_of(CA)[ACME].x509_pem().decode()}}
    context = {"custom_validator_config": {"typed_config": {"trust_domains": [domain, domain]}}}
    offer = edited(Kind.SECRET, BUNDLE, lambda content: content.update(validation_context=context))
    assert "twice" in refusal_of(offer)


def test_danger_9_a_tap_that_aborts_envoy_is_not_published() -> None:
    tap = {"name": "tap", "typed_config": {"output_config": {"sinks": [{"streaming_grpc": {}}]}}}
    offer = edited(Kind.LISTENER, "outbound/shop/pay", lambda content: http(content)["http_filters"].insert(0, tap))
    assert "streaming_grpc" in refusal_of(offer)


@pytest.mark.parametrize("kind", [Kind.LISTENER, Kind.CLUSTER, Kind.SECRET])
def test_an_offer_without_listeners_clusters_or_secrets_is_not_published(kind: Kind) -> None:
    assert "no " + kind.name.lower() in refusal_of(Offer(tuple(one for one in GOOD if one.kind is not kind)))


def test_a_leaf_that_its_own_bundle_does_not_vouch_for() -> None:
    assert "no authority of acme.example vouches" in refusal_of(with_leaf(ca=authority()))


def test_an_expired_leaf_and_one_of_tomorrow() -> None:
    assert "expired" in refusal_of(with_leaf(not_after=NOON - timedelta(seconds=1)))
    assert "valid from" in refusal_of(with_leaf(not_before=NOON + timedelta(seconds=1)))


def test_a_key_that_is_not_the_leafs() -> None:
    other = keyed(CA, WEB.spiffe_id).key_pem().decode()
    offer = edited(
        Kind.SECRET, LEAF, lambda content: content["tls_certificate"].update(private_key={"inline_string": other})
    )
    assert "not the leaf's" in refusal_of(offer)


def test_a_chain_out_of_order() -> None:
    ca = TestCa.root(ACME).intermediate().intermediate()
    chain = keyed(ca, WEB.spiffe_id)
    leaf, lower, upper = (
        one.strip() + "\n" for one in chain.svid.pem().decode().split("-----END CERTIFICATE-----\n")[:3]
    )
    end = "-----END CERTIFICATE-----\n"
    mixed = leaf + end + upper + end + lower + end
    good = snapshot(WEB, chain, bundles_of(ca), HERE)
    one = good.of(Kind.SECRET)[LEAF]
    content = json.loads(json.dumps(one.content))
    content["tls_certificate"]["certificate_chain"]["inline_string"] = mixed
    assert published(good, NOON).offer is good
    assert "out of order" in refusal_of(
        Offer((*(each for each in good if each is not one), replace(one, content=content)))
    )


def test_a_key_on_p521_which_envoy_takes_and_cannot_use() -> None:
    assert "P-521" in refusal_of(with_leaf(key=ec.generate_private_key(ec.SECP521R1())))


def test_an_identity_under_anothers_name() -> None:
    other = keyed(CA, PAY.spiffe_id)
    certificate = {
        "certificate_chain": {"inline_string": other.svid.pem().decode()},
        "private_key": {"inline_string": other.key_pem().decode()},
    }
    offer = edited(Kind.SECRET, LEAF, lambda content: content.update(tls_certificate=certificate))
    assert f"holds the identity {PAY.spiffe_id}" in refusal_of(offer)


def test_a_bundle_secret_with_identities_in_it_which_would_widen_the_pin() -> None:
    matcher = [{"san_type": "URI", "matcher": {"prefix": "spiffe://"}}]
    offer = edited(
        Kind.SECRET, BUNDLE, lambda content: content["validation_context"].update(match_typed_subject_alt_names=matcher)
    )
    assert "widens the pin" in refusal_of(offer)


UNSAFE: dict[str, Callable[[Tree], object]] = {
    "no client certificate": lambda c: downstream(c).update(require_client_certificate=False),
    "plaintext chain": lambda c: c["filter_chains"][0].pop("transport_socket"),
    "no handshake limit": lambda c: c["filter_chains"][0].pop("transport_socket_connect_timeout"),
    "TLS 1.2": lambda c: downstream(c)["common_tls_context"]["tls_params"].update(
        tls_minimum_protocol_version="TLSv1_2"
    ),
    "any identity": lambda c: downstream(c)["common_tls_context"]["combined_validation_context"].update(
        default_validation_context={}
    ),
    "no bundle": lambda c: downstream(c)["common_tls_context"].pop("combined_validation_context"),
    "paths as they come": lambda c: http(c).update(normalize_path=False),
    "slashes as they come": lambda c: http(c).update(merge_slashes=False),
    "escaped slashes kept": lambda c: http(c).update(path_with_escaped_slashes_action="KEEP_UNCHANGED"),
}


@pytest.mark.parametrize("edit", UNSAFE.values(), ids=UNSAFE)
def test_an_unsafe_listener(edit: Callable[[Tree], object]) -> None:
    assert "the listener inbound must not be published" in refusal_of(edited(Kind.LISTENER, "inbound", edit))


def test_a_listener_for_several_domains_that_looks_at_one_id_of_a_certificate() -> None:
    """Listed as danger 8: the SPIFFE verifier judges by the first ID, RBAC by any."""

    def accept_another(content: Tree) -> None:
        matchers = downstream(content)["common_tls_context"]["combined_validation_context"]
        matchers["default_validation_context"]["match_typed_subject_alt_names"].append(
            {"san_type": "URI", "matcher": {"prefix": "spiffe://partner.example/"}}
        )

    assert "it does not look at all IDs of a certificate" in refusal_of(
        edited(Kind.LISTENER, "inbound", accept_another)
    )


def test_identities_for_other_envoys_pass_the_same_gate() -> None:
    good = secrets_offer([keyed(CA, WEB.spiffe_id)], bundles_of(CA), ACME)
    assert published(good, NOON).offer is good
    assert "expired" in refusal_of(
        secrets_offer([keyed(CA, WEB.spiffe_id, not_after=NOON - timedelta(days=1))], bundles_of(CA), ACME)
    )
