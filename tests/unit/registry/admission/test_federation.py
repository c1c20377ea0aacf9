from __future__ import annotations

import pytest

from tests.kit.ca import NOON
from tests.kit.partner import ACCEPTING, CALLING, PARTNER, Partner, federated
from tests.kit.repository import PAYMENTS, WEB, findings, only
from trustplane.fault import Refused
from trustplane.registry.repository import read, read_at
from trustplane.spiffe.ids import TrustDomain

US = TrustDomain("acme.example")


@pytest.fixture(scope="module")
def partner() -> Partner:
    return Partner()


@pytest.fixture(scope="module")
def other() -> Partner:
    return Partner.named("contractor.example")


def with_terms(partner: Partner, *others: Partner, domain: str = "", **changes: str) -> dict[str, bytes]:
    """The repository with other terms for this partner."""
    terms = f"federation:\n{partner.terms(**changes)}{domain}"
    return federated(partner, *others, domain=terms)


def test_a_relation_is_read_with_its_first_bundle(partner: Partner) -> None:
    state = read(federated(partner))
    relation = state.federation[PARTNER]
    assert relation.first_bundle == partner.bundle()
    assert [one.path_text for one in relation.accepts] == ["/ns/billing/"]
    payments = next(one for one in state.services.values() if one.name.name == "payments")
    assert [str(one.pattern) for one in payments.foreign_callers] == ["spiffe://partner.example/ns/billing/"]
    assert payments.foreign_domains() == {PARTNER}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"endpoint": "http://trust.partner.example/bundle"}, "bad-endpoint-url"),  # FE-7
        ({"endpoint": "https://user@trust.partner.example/bundle"}, "bad-endpoint-url"),  # FE-7
        ({"endpoint": "https:///bundle"}, "bad-endpoint-url"),
        ({"profile": "https_wbe"}, "unknown-value"),
        ({"endpoint_id": ""}, "endpoint-id-missing"),  # FE-11
        ({"profile": "https_web"}, "endpoint-id-unused"),  # FE-6, FE-8
        ({"accepts": "[]"}, "nothing-accepted"),
        ({"accepts": "[ns/billing]"}, "bad-id-pattern"),
        ({"accepts": "[/ns//billing]"}, "bad-spiffe-id"),
        ({"roots": "[aabb]"}, "bad-fingerprint"),
        ({"acepts": "[/x]"}, "unknown-key"),
        ({"accepts": "[/ns/billing/, /trustplane/]"}, "reserved-prefix"),
    ],
)
def test_a_relation_that_cannot_be_is_found_in_its_line(partner: Partner, changes: dict[str, str], code: str) -> None:
    found = next(one for one in findings(with_terms(partner, **changes)) if one.code == code)
    assert found.place is not None
    assert (found.place.file, found.place.line) == ("trustdomain.yaml", 3)


def test_what_fe_6_states_separately_is_required_separately(partner: Partner) -> None:
    for key in ("endpoint", "profile", "accepts"):
        assert "missing-key" in {one.code for one in findings(with_terms(partner, **{key: ""}))}


def test_an_https_spiffe_endpoint_needs_a_bundle_to_be_known_by(partner: Partner) -> None:
    files = federated(partner)
    del files[partner.bundle_path]
    found = only(files)
    assert (found.code, str(found.place)) == ("endpoint-unverifiable", "trustdomain.yaml:3:92")


def test_a_pinned_root_stands_in_for_the_first_bundle_of_who_proves_itself_by_it(partner: Partner) -> None:
    pin = f"[{partner.fingerprint}]"
    files = with_terms(partner, roots=pin)
    del files[partner.bundle_path]
    relation = read(files).federation[PARTNER]
    assert (relation.first_bundle, relation.begins_with_a_pin) == (None, True)
    files = with_terms(partner, roots=pin, endpoint_id="spiffe://contractor.example/hub")
    del files[partner.bundle_path]
    assert only(files).code == "endpoint-unverifiable", "that root says nothing of another trust domain"


def test_the_endpoint_may_be_known_in_another_federated_domain(partner: Partner, other: Partner) -> None:
    files = with_terms(partner, other, domain=other.terms(accepts="[/ns/other/]"), endpoint_id=f"{other.name.id}/hub")
    del files[partner.bundle_path]
    assert str(read(files).federation[PARTNER].endpoint_id) == "spiffe://contractor.example/hub"


def test_an_https_web_endpoint_needs_no_further_setting(partner: Partner) -> None:
    files = with_terms(partner, profile="https_web", endpoint_id="")  # FE-8
    del files[partner.bundle_path]
    assert read(files).federation[PARTNER].first_bundle is None


def test_our_own_trust_domain_is_no_partner() -> None:
    us = Partner.named("acme.example")
    assert "federates-with-itself" in {one.code for one in findings(federated(us))}


def test_a_trust_domain_that_looks_like_ours_or_a_partners_is_refused(partner: Partner) -> None:
    alike = Partner.named("acrne.example")
    found = next(one for one in findings(with_terms(partner, alike, domain=alike.terms(accepts="[/ns/other/]"))))
    assert (found.code, found.what) == ("look-alike", "the trust domain acrne.example looks like acme.example")
    assert str(found.place) == "trustdomain.yaml:4:3"
    twin = Partner.named("partners.example")
    found = only(with_terms(partner, twin, domain=twin.terms(accepts="[/ns/other/]")))
    assert "looks like" in found.what


def test_accepted_paths_do_not_overlap_ours(partner: Partner) -> None:
    for paths in ("[/ns/shop/, /ns/billing/]", "[/]", "[/ns/shop/sa/web, /ns/billing/]"):
        found = only(with_terms(partner, accepts=paths))
        assert (found.code, found.place and found.place.line) == ("prefix-is-ours", 3)


def test_a_namespace_may_share_its_paths(partner: Partner) -> None:
    files = with_terms(partner, accepts="[/ns/shop/, /ns/billing/]")
    files["namespaces.yaml"] = b"shop: {owners: [shop-team], shared_with: [partner.example]}\n"
    assert read(files).federation[PARTNER].accepts


def test_accepted_paths_do_not_overlap_another_partners(partner: Partner, other: Partner) -> None:
    found = only(federated(partner, other))
    assert (found.code, str(found.place)) == ("prefix-of-another-domain", "trustdomain.yaml:3:168")


def test_a_prefix_that_only_begins_alike_is_another(partner: Partner, other: Partner) -> None:
    files = with_terms(partner, other, domain=other.terms(accepts="[/ns/billing-eu/, /ns/bill/]"))
    assert set(read(files).federation) == {PARTNER, other.name}


def test_a_root_belongs_to_one_trust_domain(partner: Partner) -> None:
    twin = Partner(TrustDomain("contractor.example"), partner.root)
    found = only(with_terms(partner, twin, domain=twin.terms(accepts="[/ns/other/]")))
    assert found.code == "root-of-another-domain"


def test_the_first_bundle_is_the_pinned_one(partner: Partner) -> None:
    assert read(with_terms(partner, roots=f"[{partner.fingerprint}]")).federation
    assert only(with_terms(partner, roots=f"[{'0' * 64}]")).code == "first-bundle-not-pinned"


def test_a_name_known_with_another_root_is_refused(partner: Partner) -> None:
    files, known = federated(partner), {PARTNER: frozenset({"0" * 64})}
    with pytest.raises(Refused) as refused:
        read_at(files, NOON, known)
    assert (refused.value.code, str(refused.value.finding.place)) == ("known-with-another-root", "trustdomain.yaml:3:3")
    assert read_at(files, NOON, {PARTNER: frozenset({"0" * 64, partner.fingerprint})}).federation
    assert read_at(files, NOON, {PARTNER: frozenset()}).federation


def test_a_root_this_server_knows_as_anothers_is_refused(partner: Partner) -> None:
    with pytest.raises(Refused) as refused:
        read_at(federated(partner), NOON, {US: frozenset({partner.fingerprint})})
    assert refused.value.code == "root-of-another-domain"


def test_a_bundle_file_is_a_bundle_of_a_relation(partner: Partner, other: Partner) -> None:
    stray = {**federated(partner), other.bundle_path: other.document()}
    found = only(stray)
    assert (found.code, str(found.place)) == ("bundle-without-relation", "federation/contractor.example.json:1:1")
    damaged = {**federated(partner), partner.bundle_path: b'{"keys": [], "keys": []}'}
    found = only(damaged)
    assert found.place is not None
    assert found.place.file == partner.bundle_path


@pytest.mark.parametrize(
    ("payments", "code"),
    [
        ("spiffe://stranger.example/ns/billing/: {}", "unknown-federation"),
        ("spiffe://partner.example/ns/sales/: {}", "not-accepted"),
        ("spiffe://partner.example/: {}", "not-accepted"),
        ("spiffe://partner.example/ns/billing: {}", "not-accepted"),
        ("spiffe://partner.example/ns/billing/: {operations: [chrage]}", "unknown-operation"),
        ("spiffe://partner.example/ns/billing/: {operations: []}", "empty-list"),
        ("spiffe://partner.example: {}", "bad-id-pattern"),
        ("spiffe://PARTNER.example/ns/billing/: {}", "bad-spiffe-id"),
    ],
)
def test_who_may_call_is_within_what_is_accepted(partner: Partner, payments: str, code: str) -> None:
    found = only(federated(partner, shop__payments=PAYMENTS + f"foreign_callers:\n  {payments}\n"))
    assert (found.code, found.place and found.place.line) == (code, 8)


def test_one_caller_is_meant_once(partner: Partner) -> None:
    twice = ACCEPTING + "  spiffe://partner.example/ns/billing/sa/api: {operations: [refund]}\n"
    assert only(federated(partner, shop__payments=twice)).code == "foreign-callers-overlap"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("spiffe://partner.example/ns/sales/sa/x: {listen: 20302, endpoints: [192.0.2.7:1]}", "not-accepted"),
        ("spiffe://partner.example/ns/billing/sa/x: {listen: 20302, endpoints: [partner.example:1]}", "bad-address"),
        ("spiffe://partner.example/ns/billing/sa/x: {listen: 20302, endpoints: []}", "no-endpoints"),
        ("spiffe://partner.example/ns/billing/sa/x: {listen: 20302}", "missing-key"),
        ("spiffe://partner.example/ns/billing/sa/x: {listen: 20201, endpoints: [192.0.2.7:1]}", "port-clash"),
        ("spiffe://partner.example/ns/billing/sa/x: {listen: 0, endpoints: [192.0.2.7:1]}", "bad-port"),
    ],
)
def test_a_foreign_call_says_whom_and_where(partner: Partner, call: str, code: str) -> None:
    found = findings(federated(partner, shop__web=WEB + f"foreign_calls:\n  {call}\n"))
    assert code in {one.code for one in found}
    assert all(one.place for one in found)


def test_a_foreign_call_needs_a_sidecar(partner: Partner) -> None:
    files = federated(partner, shop__web=CALLING.replace("ports:", "# ports:"))
    assert {one.code for one in findings(files)} == {"calls-without-ports"}
