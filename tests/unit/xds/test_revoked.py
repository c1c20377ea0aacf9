from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.kit.ca import TestCa
from tests.kit.issuing_ports import NOON, MemoryAuthority
from tests.kit.sidecars import HERE, PAY, WEB, keyed
from trustplane.fault import Refused
from trustplane.issuance.crl import confirm_crl, crl_body
from trustplane.registry.view import DeniedCertificate, ForeignGrant, TrustedCrl, Withdrawn
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.patterns import IdPattern
from trustplane.spiffe.revoked import digest_of
from trustplane.spiffe.x509_svid import KeyedSvid
from trustplane.trust.authority import Authority
from trustplane.xds import revoked
from trustplane.xds.guards import published
from trustplane.xds.resources import Kind, Resource
from trustplane.xds.snapshot import Snapshot, snapshot

ROOT = TestCa.root("acme.example")
CA = ROOT.intermediate()
BUNDLES = BundleSet.of(Bundle(ROOT.trust_domain, (ROOT.certificate,)))
SVID = keyed(CA, PAY.spiffe_id)
WEB_SVID = keyed(CA, WEB.spiffe_id)
MALLORY = SpiffeId.parse("spiffe://acme.example/ns/x/sa/mallory")


def of_pay(withdrawn: Withdrawn) -> Snapshot:
    return snapshot(PAY, SVID, BUNDLES, HERE, withdrawn)


def deny_rules(made: Snapshot) -> Mapping[str, Any]:
    route: Any = made.of(Kind.ROUTE)["inbound"].content
    rules: Mapping[str, Any] = route["virtual_hosts"][0]["typed_per_filter_config"][revoked.REVOKED]["rbac"]["rules"]
    return rules


def test_while_nothing_is_revoked_nobody_is_denied() -> None:
    assert deny_rules(of_pay(Withdrawn())) == {"action": "DENY", "policies": {}}


def test_ids_certificates_and_issuers_are_denied_by_the_route_alone() -> None:
    withdrawn = Withdrawn(
        ids=(WEB.spiffe_id,), certificates=(DeniedCertificate(WEB.spiffe_id, "ab" * 32),), issuers=("cd" * 32,)
    )
    before, after = of_pay(Withdrawn()), of_pay(withdrawn)
    assert set(deny_rules(after)["policies"]) == {"revoked-ids", "revoked-certificates", "revoked-issuers"}
    changed = {one.kind for one in after if one not in before.resources}
    assert changed == {Kind.ROUTE}  # a listener that changed would only reach new connections


def test_who_may_not_call_needs_no_further_refusal_unless_anyone_may_probe() -> None:
    withdrawn = Withdrawn(ids=(MALLORY,), certificates=(DeniedCertificate(MALLORY, "ab" * 32),))
    assert deny_rules(of_pay(withdrawn))["policies"] == {}
    probed = revoked.rules(withdrawn, None)
    assert len(str(probed)) > len(str(revoked.rules(Withdrawn(), PAY.callers)))


def test_a_foreign_certificate_with_two_ids_is_denied_and_a_foreign_id_can_be() -> None:
    """RBAC matches any of a certificate's IDs, the SPIFFE verifier looks at one: see `revoked.rules`."""
    pattern = IdPattern(TrustDomain("partner.example"), ("ns",), below=True)
    foreign = (ForeignGrant(pattern, ()),)
    assert set(revoked.rules(Withdrawn(), (), foreign)["policies"]) == {"several-identities"}  # type: ignore[call-overload]
    theirs = Withdrawn(ids=(SpiffeId.parse("spiffe://partner.example/ns/x"),))
    assert "revoked-ids" in revoked.rules(theirs, (), foreign)["policies"]  # type: ignore[operator]
    assert len(str(revoked.filters(foreign))) > len(str(revoked.filters()))


def connections(withdrawn: Withdrawn, svid: KeyedSvid = WEB_SVID) -> object:
    return revoked.connections(WEB, svid.svid, WEB.callees[0], withdrawn)


@pytest.mark.parametrize(
    "withdrawn",
    [
        Withdrawn(ids=(PAY.spiffe_id,)),
        Withdrawn(certificates=(DeniedCertificate(PAY.spiffe_id, "ab" * 32),)),
        Withdrawn(certificates=(DeniedCertificate(WEB.spiffe_id, "ab" * 32),)),
        Withdrawn(issuers=("ab" * 32,)),
    ],
)
def test_connections_are_made_anew_when_either_end_or_an_issuer_is_revoked(withdrawn: Withdrawn) -> None:
    assert connections(withdrawn) != connections(Withdrawn())


def test_connections_stay_when_others_are_revoked_and_when_a_leaf_is_renewed() -> None:
    assert connections(Withdrawn(ids=(MALLORY,))) == connections(Withdrawn())
    assert connections(Withdrawn(), keyed(CA, WEB.spiffe_id)) == connections(Withdrawn())


def test_a_new_leaf_after_a_revoked_one_or_by_another_issuer_gets_new_connections() -> None:
    own = Withdrawn(certificates=(DeniedCertificate(WEB.spiffe_id, digest_of(WEB_SVID.svid.leaf)),))
    assert connections(own, keyed(CA, WEB.spiffe_id)) != connections(own)
    assert connections(Withdrawn(), keyed(ROOT.intermediate(), WEB.spiffe_id)) != connections(Withdrawn())


PAIR = MemoryAuthority.at(NOON)


def crl(authority: Authority) -> bytes:
    body = crl_body(authority, (), 1, NOON, timedelta(hours=1))
    return confirm_crl(authority, body, PAIR.key.sign(body), ()).der


def secret_with(*crls: bytes) -> Snapshot:
    """Pay's snapshot with these CRLs beside its bundle, whoever signed them."""
    return of_pay(Withdrawn(crls=tuple(sorted(TrustedCrl(b"", one) for one in crls))))


def refusal_of(offer: Snapshot) -> str:
    with pytest.raises(Refused) as refused:
        published(offer, NOON)
    return str(refused.value)


def test_the_guards_want_a_crl_of_every_authority_of_the_chain() -> None:
    said = refusal_of(secret_with(crl(PAIR.issuing)))
    assert said.count("no CRL signed by") == 2  # the root's and the issuing authority's


def test_the_guards_want_crls_in_date() -> None:
    made = secret_with(crl(PAIR.issuing))
    with pytest.raises(Refused, match="out of date"):
        published(made, NOON + timedelta(hours=2))


def test_the_guards_refuse_what_is_no_crl() -> None:
    def with_text(one: Resource) -> Resource:
        context: Any = one.content.get("validation_context")
        if not context:
            return one
        content = {**one.content, "validation_context": {**context, "crl": {"inline_string": "garbage"}}}
        return replace(one, content=content)

    assert "not whole" in refusal_of(Snapshot(tuple(map(with_text, of_pay(Withdrawn())))))


def test_the_guards_refuse_a_route_that_forgets_the_revoked() -> None:
    def without(one: Resource) -> Resource:
        if one.name != "inbound" or one.kind is not Kind.ROUTE:
            return one
        host: Any = dict(one.content["virtual_hosts"][0])  # type: ignore[index] # our own JSON
        kept = {name: rules for name, rules in host["typed_per_filter_config"].items() if name != revoked.REVOKED}
        return replace(one, content={**one.content, "virtual_hosts": [{**host, "typed_per_filter_config": kept}]})

    assert "who is revoked" in refusal_of(Snapshot(tuple(map(without, of_pay(Withdrawn())))))
