"""What is published, and that its number rises with every change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.issuing_ports import ACME, NOON, MemoryAuthority, authority_keys
from trustplane.fault import Broken
from trustplane.spiffe.ids import TrustDomain
from trustplane.trust.authority import Authority, AuthorityKind, AuthorityState
from trustplane.trust.bundles import bundle_of, kid_of, sequence_of

PAIR = MemoryAuthority.at(NOON)


def jwt(state: AuthorityState = AuthorityState.ACTIVE) -> Authority:
    key, _ = authority_keys().make()
    return replace(
        PAIR.issuing,
        id=key.id,
        kind=AuthorityKind.JWT,
        state=state,
        public_key=key.public_key,
        certificate=None,
        parent=None,
    )


def test_roots_and_jwt_keys_are_published_and_issuing_authorities_are_not() -> None:
    key = jwt()
    bundle = bundle_of([PAIR.issuing, key, PAIR.root], ACME, 7)
    assert bundle.x509_authorities == (PAIR.root.certificate,)
    assert [each.kid for each in bundle.jwt_authorities] == [kid_of(key)]
    assert bundle.sequence == 7


@pytest.mark.parametrize("state", AuthorityState)
def test_all_but_the_staged_and_the_retired_are_published(state: AuthorityState) -> None:
    bundle = bundle_of([replace(PAIR.root, state=state), jwt(state)], ACME, 1)
    expected = 0 if state in {AuthorityState.STAGED, AuthorityState.RETIRED} else 1
    assert (len(bundle.x509_authorities), len(bundle.jwt_authorities)) == (expected, expected)


def test_another_trust_domains_authorities_stay_out() -> None:
    assert bundle_of([PAIR.root], TrustDomain("other.example"), 1).x509_authorities == ()


def test_the_order_of_reading_does_not_matter() -> None:
    keys = [PAIR.root, jwt(), jwt(AuthorityState.PREPARED)]
    assert bundle_of(keys, ACME, 1) == bundle_of(reversed(keys), ACME, 1)


def test_every_step_of_a_published_authority_raises_the_sequence() -> None:
    key = jwt(AuthorityState.PREPARED)
    steps = [AuthorityState.PREPARED, AuthorityState.ACTIVE, AuthorityState.DRAINING, AuthorityState.RETIRED]
    numbers = [sequence_of([PAIR.root]), *(sequence_of([PAIR.root, replace(key, state=state)]) for state in steps)]
    assert numbers == sorted(set(numbers))


def test_an_authority_without_the_certificate_its_kind_needs_is_broken() -> None:
    with pytest.raises(Broken, match="authority-without-certificate"):
        replace(PAIR.issuing, certificate=None)
    with pytest.raises(Broken, match="authority-without-certificate"):
        replace(PAIR.issuing, kind=AuthorityKind.JWT)


def test_a_root_raises_the_sequence_only_when_it_enters_or_leaves_the_bundle() -> None:
    """It may sign, stop and sign again when a change of root is taken back, and a sequence never falls."""
    going = [AuthorityState.PREPARED, AuthorityState.ACTIVE, AuthorityState.DRAINING, AuthorityState.ACTIVE]
    numbers = [sequence_of([replace(PAIR.root, state=state)]) for state in going]
    assert len(set(numbers)) == 1
    before, after = (sequence_of([replace(PAIR.root, state=AuthorityState[name])]) for name in ("STAGED", "RETIRED"))
    assert before == 0 < numbers[0] < after
