from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.ca import TestCa
from tests.kit.issuing_ports import ACME, NOON, WEB, MemoryAuthority
from trustplane.fault import Refused
from trustplane.issuance.crl import confirm_crl, crl_body
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.revoked import Crl, Revoked, digest_of
from trustplane.spiffe.verify import BundleSet, verify_x509
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.trust.authority import Authority
from trustplane.trust.revocation import Listed, Reason

PAIR = MemoryAuthority.at(NOON)
LIFE = timedelta(hours=2)
assert PAIR.issuing.certificate is not None
assert PAIR.root.certificate is not None


def crl_of(authority: Authority, *serials: int) -> Crl:
    lines = tuple(Listed(serial, NOON, Reason.UNSPECIFIED) for serial in serials)
    body = crl_body(authority, lines, 1, NOON, LIFE)
    return confirm_crl(authority, body, PAIR.key.sign(body), lines)


ROOT = TestCa.root(ACME)
ISSUING = ROOT.intermediate()
SVID = X509Svid(ISSUING.leaf_chain(WEB)[0])
OTHER = X509Svid(ISSUING.leaf_chain(WEB)[0])


def test_a_denied_certificate_is_named_and_its_sibling_is_not() -> None:
    revoked = Revoked(digests=frozenset({digest_of(SVID.leaf)}))
    found = revoked.finding(SVID)
    assert found is not None
    assert f"{SVID.serial:032x}" in found.what
    assert revoked.finding(OTHER) is None


def test_a_denied_id_takes_every_certificate_with_it() -> None:
    revoked = Revoked(ids=frozenset({WEB}))
    assert revoked.finding(SVID) is not None
    assert revoked.finding(OTHER) is not None


def test_verifying_refuses_what_is_revoked_and_nothing_else() -> None:
    bundles = BundleSet.of(Bundle(ACME, (ROOT.certificate,)))
    at = SVID.not_before + timedelta(minutes=1)
    revoked = Revoked(digests=frozenset({digest_of(SVID.leaf)}))
    assert verify_x509(OTHER, bundles, at, revoked) == WEB
    with pytest.raises(Refused) as refused:
        verify_x509(SVID, bundles, at, revoked)
    assert refused.value.code == "svid-revoked"


def test_a_crl_is_only_of_the_authority_that_signed_it() -> None:
    crl = crl_of(PAIR.issuing, 1)
    with pytest.raises(Refused) as refused:
        Crl(PAIR.root.certificate, crl.der)  # type: ignore[arg-type] # it has one
    assert refused.value.code == "bad-crl"
    with pytest.raises(Refused):
        Crl(crl.authority, crl.der[:-1] + bytes([crl.der[-1] ^ 1]))


def test_a_serial_counts_only_under_its_own_issuer() -> None:
    crl = crl_of(PAIR.issuing, SVID.serial)
    assert Revoked(crls=(crl,)).finding(SVID) is None  # another authority's certificate has that number


@pytest.mark.parametrize(("left", "kept"), [(timedelta(minutes=3), 1), (timedelta(minutes=2), 0), (timedelta(0), 0)])
def test_crls_leave_before_they_are_stale_and_denied_ids_stay(left: timedelta, kept: int) -> None:
    revoked = Revoked((crl_of(PAIR.issuing),), frozenset({WEB}))
    later = revoked.without_stale(NOON + LIFE - left, timedelta(minutes=2))
    assert (len(later.crls), later.ids) == (kept, revoked.ids)


def test_coverage_is_of_every_authority_asked_for() -> None:
    revoked = Revoked((crl_of(PAIR.issuing),))
    assert revoked.covers([revoked.crls[0].authority])
    assert not revoked.covers([revoked.crls[0].authority, ROOT.certificate])
