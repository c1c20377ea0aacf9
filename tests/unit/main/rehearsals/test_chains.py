"""Certificates of rehearsals: sound ones are sound by every rule of ours, and each broken one breaks the rule meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from trustplane.fault import Refused
from trustplane.main.rehearsals import chains as broken
from trustplane.main.rehearsals.chains import Chain, Root
from trustplane.registry.model import KeyKind, Profile, RenewalWindow
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.revoked import Crl
from trustplane.spiffe.verify import verify_x509

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACME = TrustDomain("acme.example")
WEB = SpiffeId.parse("spiffe://acme.example/ns/rehearsal/sa/web")
PROFILE = Profile("mine", 1, KeyKind.P384, timedelta(minutes=20), timedelta(seconds=10), RenewalWindow(0.5, 0.75))


def chain(*changes: broken.Breaking) -> tuple[Root, Chain]:
    root = Root(ACME, AT - HOUR)
    return root, root.issuer(AT - HOUR).leaf(WEB, PROFILE, AT, *changes)


def test_unbroken_it_is_what_the_profile_says_and_verifies() -> None:
    root, made = chain()
    keyed = made.keyed()
    verify_x509(keyed.svid, BundleSet.of(root.bundle), AT)
    assert (keyed.svid.not_before, keyed.svid.not_after) == (AT - PROFILE.backdate, AT + PROFILE.lifetime)
    assert keyed.svid.leaf.public_key().key_size == 384  # type: ignore[union-attr] # the profile's kind


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ((broken.valid(AT - 2 * HOUR, AT - HOUR),), "svid-expired"),
        ((broken.valid(AT + HOUR, AT + 2 * HOUR),), "svid-not-yet-valid"),
    ],
    ids=["expired", "not yet valid"],
)
def test_one_of_another_time_is_refused_for_its_time(changes: tuple[broken.Breaking, ...], code: str) -> None:
    root, made = chain(*changes)
    with pytest.raises(Refused) as refused:
        verify_x509(made.keyed().svid, BundleSet.of(root.bundle), AT)
    assert refused.value.code == code


@pytest.mark.parametrize("change", [broken.for_servers_only, broken.for_clients_only])
def test_one_for_one_side_only_is_no_svid_and_breaks_nothing_else(change: broken.Breaking) -> None:
    _, made = chain(change)
    with pytest.raises(Refused) as refused:
        made.keyed()
    assert {one.code for one in refused.value.findings} == {"svid-extended-key-usage"}


def test_one_with_anothers_key_is_refused_for_its_key() -> None:
    _, made = chain()
    with pytest.raises(Refused) as refused:
        made.with_key_of(chain()[1]).keyed()
    assert refused.value.code == "svid-key-mismatch"


def test_without_its_issuer_nobody_vouches_for_it() -> None:
    root, made = chain()
    with pytest.raises(Refused):
        verify_x509(made.without_issuer().keyed().svid, BundleSet.of(root.bundle), AT)


def test_a_crl_lists_what_it_was_told_to() -> None:
    issuer = Root(ACME, AT - HOUR).issuer(AT - HOUR)
    found = issuer.crl((17, 5), AT, HOUR)
    assert Crl(issuer.certificate, found.crl).serials == {5, 17}


def test_no_key_is_shown() -> None:
    _, made = chain()
    assert "key" not in repr(made)
