"""The verifier of a peer: whose bundle is asked, and when."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.kit.ca import NO_NAME, NOON, VALID_FROM, TestCa, name
from trustplane.fault import Broken, Refused
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.verify import verify_x509
from trustplane.spiffe.x509_svid import X509Svid

ACME = TestCa.root("acme.example")
OTHER = TestCa.root("other.example")
SECOND = timedelta(seconds=1)
ACME_ROOTS = (ACME.certificate,)


def bundle(*roots: TestCa) -> Bundle:
    return Bundle(roots[0].trust_domain, tuple(root.certificate for root in roots))


def refused(svid: X509Svid, bundles: BundleSet, code: str) -> None:
    with pytest.raises(Refused) as caught:
        verify_x509(svid, bundles, NOON)
    assert caught.value.code == code


def test_a_peer_is_who_its_certificate_says() -> None:
    svid = X509Svid(ACME.intermediate().leaf_chain("/web")[0])
    assert str(verify_x509(svid, BundleSet.of(bundle(ACME), bundle(OTHER)), NOON)) == "spiffe://acme.example/web"


def test_the_root_of_one_domain_does_not_vouch_for_names_of_another() -> None:
    forged = X509Svid(OTHER.leaf_chain("spiffe://acme.example/web")[0])
    refused(forged, BundleSet.of(bundle(ACME), bundle(OTHER)), "svid-not-vouched-for")


def test_a_domain_without_a_bundle_is_untrusted() -> None:
    svid = X509Svid(OTHER.leaf_chain("/web")[0])
    refused(svid, BundleSet.of(bundle(ACME)), "untrusted-trust-domain")
    refused(svid, BundleSet({}), "untrusted-trust-domain")


def test_an_empty_bundle_refuses_everything_of_its_domain_and_nothing_else() -> None:
    bundles = BundleSet.of(Bundle(ACME.trust_domain, ()), bundle(OTHER))
    refused(X509Svid(ACME.leaf_chain("/web")[0]), bundles, "no-x509-authorities")
    verify_x509(X509Svid(OTHER.leaf_chain("/web")[0]), bundles, NOON)


def test_any_root_of_the_bundle_may_vouch() -> None:
    old, new = ACME, TestCa.root("acme.example")
    for root in (old, new):
        verify_x509(X509Svid(root.leaf_chain("/web")[0]), BundleSet.of(bundle(old, new)), NOON)


def test_an_authority_need_not_be_self_signed() -> None:
    signer = ACME.intermediate()
    verify_x509(X509Svid(signer.leaf("/web")[:1]), BundleSet.of(bundle(signer)), NOON)


def test_a_missing_intermediate_is_not_made_up_for() -> None:
    refused(X509Svid(ACME.intermediate().leaf("/web")[:1]), BundleSet.of(bundle(ACME)), "svid-not-vouched-for")


NO_ROOM = (x509.BasicConstraints(ca=True, path_length=0), True)
ELSEWHERE = x509.NameConstraints([x509.UniformResourceIdentifier("elsewhere.example")], None)


@pytest.mark.parametrize(
    ("signer", "fix"),
    [
        (ACME.intermediate(subject=name("narrow"), basic_constraints=NO_ROOM).intermediate(), "room below it"),
        (ACME.intermediate(extra=[(ELSEWHERE, True)]), "lift their constraint"),
        (OTHER.intermediate(), "holds the root"),
    ],
)
def test_what_to_do_is_told_by_why_nobody_vouches(signer: TestCa, fix: str) -> None:
    svid = X509Svid(signer.leaf_chain("/web")[0])
    with pytest.raises(Refused) as refusal:
        verify_x509(svid, BundleSet.of(bundle(ACME), Bundle(OTHER.trust_domain, ACME_ROOTS)), NOON)
    assert fix in refusal.value.finding.fix


def test_key_identifiers_may_be_absent() -> None:
    root = TestCa.root("acme.example", subject_key_identifier=None, authority_key_identifier=None)
    signer = root.intermediate(subject_key_identifier=None, authority_key_identifier=None)
    chain, _ = signer.leaf_chain("/web", subject_key_identifier=None, authority_key_identifier=None)
    verify_x509(X509Svid(chain), BundleSet.of(bundle(root)), NOON)


def test_a_leaf_is_valid_from_its_first_to_its_last_second() -> None:
    chain, _ = ACME.leaf_chain("/web", not_before=NOON, not_after=NOON + timedelta(hours=1))
    svid, bundles = X509Svid(chain), BundleSet.of(bundle(ACME))
    for at in (svid.not_before, svid.not_after):
        verify_x509(svid, bundles, at)
    for at, code in ((svid.not_before - SECOND, "svid-not-yet-valid"), (svid.not_after + SECOND, "svid-expired")):
        with pytest.raises(Refused) as caught:
            verify_x509(svid, bundles, at)
        assert caught.value.code == code


def test_an_expired_signer_or_root_vouches_for_nothing() -> None:
    past = NOON - SECOND
    signer = ACME.intermediate(not_after=past)
    refused(X509Svid(signer.leaf_chain("/web")[0]), BundleSet.of(bundle(ACME)), "svid-not-vouched-for")
    root = TestCa.root("acme.example", not_after=past)
    refused(X509Svid(root.leaf_chain("/web")[0]), BundleSet.of(bundle(root)), "svid-not-vouched-for")


def test_the_instant_is_one_and_the_same_in_every_zone() -> None:
    chain, _ = ACME.leaf_chain("/web", not_before=NOON, not_after=NOON + SECOND)
    for hours in (-12, 0, 14):
        at = NOON.astimezone(timezone(timedelta(hours=hours)))
        assert verify_x509(X509Svid(chain), BundleSet.of(bundle(ACME)), at).path == ("web",)


def test_an_instant_without_zone_is_our_mistake() -> None:
    with pytest.raises(Broken) as caught:
        verify_x509(X509Svid(ACME.leaf_chain("/web")[0]), BundleSet.of(bundle(ACME)), NOON.replace(tzinfo=None))
    assert caught.value.code == "instant-without-zone"


def test_an_intermediate_of_another_root_of_the_same_name_does_not_help() -> None:
    impostor = TestCa.root("acme.example", subject=ACME.certificate.subject)
    chain, _ = impostor.intermediate().leaf_chain("/web")
    refused(X509Svid(chain), BundleSet.of(bundle(ACME)), "svid-not-vouched-for")


def test_a_leaf_cannot_sign_for_another() -> None:
    """The way in that missed cA checks left open for years elsewhere."""
    certificate, key = ACME.leaf("/web")
    as_signer = TestCa(ACME.trust_domain, certificate, key, (certificate,))
    chain, _ = as_signer.leaf_chain("/admin", issuer=certificate.subject)
    with pytest.raises(Refused) as caught:
        X509Svid(chain)
    assert {"svid-signer-not-authority", "svid-signer-key-usage"} <= {each.code for each in caught.value.findings}


def test_a_signer_limited_to_server_names_does_not_vouch_for_clients() -> None:
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    signer = ACME.intermediate(extended_key_usage=(uses, False))
    refused(X509Svid(signer.leaf_chain("/web")[0]), BundleSet.of(bundle(ACME)), "svid-not-vouched-for")


def test_bundles_stand_under_their_own_names_and_once() -> None:
    with pytest.raises(Refused):
        BundleSet({TrustDomain("acme.example"): bundle(OTHER)})
    with pytest.raises(Refused):
        BundleSet.of(bundle(ACME), bundle(ACME))
    bundles = BundleSet.of(bundle(OTHER), bundle(ACME))
    assert repr(bundles) == "BundleSet(acme.example, other.example)"
    assert bundles[ACME.trust_domain] == bundle(ACME)
    assert len(bundles) == 2


def test_a_set_does_not_change_with_what_it_was_made_of() -> None:
    made_of = {ACME.trust_domain: bundle(ACME)}
    bundles = BundleSet(made_of)
    made_of.clear()
    assert list(bundles) == [ACME.trust_domain]


def test_a_leaf_valid_from_the_start_of_its_authority_is_vouched_for() -> None:
    svid = X509Svid(ACME.leaf_chain("/web")[0])
    assert verify_x509(svid, BundleSet.of(bundle(ACME)), VALID_FROM) == svid.spiffe_id


def test_a_refusal_does_not_repeat_what_the_peer_chose_to_call_itself() -> None:
    chain, _ = ACME.leaf_chain("/web", subject=name("\x1b[2Jall is well\nerror[none]"), key_usage=None)
    with pytest.raises(Refused) as caught:
        X509Svid(chain)
    assert "all is well" not in str(caught.value)
    unknown = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"), True)
    chain, _ = ACME.leaf_chain("/web", subject=name("\x1b[2Jall is well\nerror[none]"), extra=[unknown])
    with pytest.raises(Refused) as caught:
        verify_x509(X509Svid(chain), BundleSet.of(bundle(ACME)), NOON)
    assert caught.value.code == "svid-not-vouched-for"
    assert "critical" in str(caught.value)
    assert "all is well" not in str(caught.value)


def test_a_root_without_a_subject_or_key_usage_vouches_for_nothing() -> None:
    for root in (TestCa.root("acme.example", subject=NO_NAME), TestCa.root("acme.example", key_usage=None)):
        refused(X509Svid(root.leaf_chain("/web")[0]), BundleSet.of(bundle(root)), "svid-not-vouched-for")
